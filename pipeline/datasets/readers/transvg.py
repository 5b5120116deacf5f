"""The layout of TransVG: lists `<key>/<key>_<split>.pth`, one tuple per phrase.

A tuple is (picture, box, phrase) for `flickr`, else (picture, mask, box, phrase[, attributes]).
Boxes of COCO's pictures are left, top, width, height; of the others first and last pixel, counted
from 0, both inside (ReferIt's from masks; Flickr30K's are taken to be the same).
Source: https://github.com/djiajunustc/TransVG and https://github.com/zyang-ur/onestage_grounding.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.files import find_file
from pipeline.datasets.published import COCO, PUBLISHED
from pipeline.datasets.readers.safe_torch import GivenArray, load_list
from pipeline.datasets.reading import BadRecord
from pipeline.datasets.referring import TRAIN, Referral, ReferringData
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset

KEYS = {
    "refcoco_unc": "unc",
    "refcoco_plus_unc": "unc+",
    "refcocog_google": "gref",
    "refcocog_umd": "gref_umd",
    "referit": "referit",
    "flickr30k": "flickr",
}
_LENGTHS = {"flickr": (3,)}  # of a tuple; the others have 4 or 5
_OTHER_LENGTHS = (4, 5)


def read_transvg(name: str, section: ReferringDataset) -> ReferringData:
    """Return the referring expressions in the lists.

    Raises:
        InputError: a list is missing, broken or not of this layout, or this collection has none.
    """
    where = f"datasets.{name}"
    if section.collection not in KEYS:
        raise InputError(
            f"{where}.collection: TransVG has no lists of {section.collection}; "
            f"it has {', '.join(KEYS)}"
        )
    key = KEYS[section.collection]
    published = PUBLISHED[section.collection]
    lists = [f"{key}_{split}.pth" for split in published.counts]
    names = [f"{folder}{one}" for folder in (f"{key}/", "") for one in lists]
    folder = find_file(Path(section.root), names, f"{where}.root").parent
    bad: list[BadRecord] = []
    referrals = [
        referral
        for split in published.counts
        if (folder / f"{key}_{split}.pth").is_file()
        for referral in _referrals(folder / f"{key}_{split}.pth", key, split, bad)
    ]
    return ReferringData(referrals, "xywh" if published.pictures == COCO else "inclusive", bad)


def _referrals(path: Path, key: str, split: str, bad: list[BadRecord]) -> Iterator[Referral]:
    lengths = _LENGTHS.get(key, _OTHER_LENGTHS)
    for number, row in enumerate(load_list(path)):
        phrase_id = f"{split}/{number}"
        if not isinstance(row, list | tuple) or len(row) not in lengths:
            expected = " or ".join(map(str, lengths))
            bad.append(BadRecord("phrase", f"a row has not {expected} parts", f"{path}: {number}"))
            continue
        place = 1 if key in _LENGTHS else 2
        picture, box, phrase = row[0], row[place], row[place + 1]
        if not isinstance(picture, str) or not isinstance(phrase, str):
            bad.append(BadRecord("phrase", "picture or phrase is no text", f"{path}: {number}"))
            continue
        numbers = box.numbers if isinstance(box, GivenArray) else box
        yield Referral(phrase_id, picture, split, phrase, () if split == TRAIN else (numbers,))
