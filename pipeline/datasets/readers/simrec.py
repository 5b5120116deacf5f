"""The layout of SimREC and RefCLIP: one JSON file, a mapping of splits to lists.

An entry has `iid` (number of the picture), `bbox` (left, top, width, height) and `refs` (phrases).
Training holds one entry per object, the other splits one per phrase.
Source: https://github.com/luogen1996/SimREC.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.datasets.files import COCO_2014, find_file, read_json
from pipeline.datasets.published import COCO, PUBLISHED, Published
from pipeline.datasets.reading import BadRecord
from pipeline.datasets.referring import TRAIN, Referral, ReferringData
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset

FILES = {
    "refcoco_unc": ("refcoco",),
    "refcoco_google": ("refcoco",),
    "refcoco_plus_unc": ("refcoco+",),
    "refcocog_google": ("refcocog",),
    "refcocog_umd": ("refcocog",),
    "refclef_unc": ("refclef", "referit"),
    "refclef_berkeley": ("refclef", "referit"),
    "referit": ("referit", "refclef"),
}


def read_simrec(name: str, section: ReferringDataset) -> ReferringData:
    """Return the referring expressions in the file.

    Raises:
        InputError: the file is missing, broken or not of this layout, or this collection has none.
    """
    where = f"datasets.{name}"
    if section.collection not in FILES:
        raise InputError(
            f"{where}.collection: SimREC has no file of {section.collection}; "
            f"it has {', '.join(FILES)}"
        )
    stems = FILES[section.collection]
    names = [f"{folder}{stem}.json" for stem in stems for folder in ("", "anns/")]
    path = find_file(Path(section.root), names, f"{where}.root in params.yaml")
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(rows, list) for rows in content.values()
    ):
        raise InputError(f"{path}: must map each split to a list")
    published = PUBLISHED[section.collection]
    bad: list[BadRecord] = []
    for split in sorted(set(content) - set(published.counts)):
        cause = f"the split is none of {', '.join(sorted(published.counts))}"
        bad += [BadRecord("phrase", cause, f"{path}: {split}")] * len(content[split])
    referrals = [
        referral
        for split in published.counts
        for referral in _referrals(path, content.get(split, []), split, published, bad)
    ]
    return ReferringData(referrals, "xywh", bad)


def _referrals(
    path: Path, entries: list[Any], split: str, published: Published, bad: list[BadRecord]
) -> Iterator[Referral]:
    for number, entry in enumerate(entries):
        try:
            picture = _picture(entry["iid"], published)
            phrases = [str(phrase) for phrase in entry["refs"]]
            boxes = () if split == TRAIN else (entry["bbox"],)
        except (KeyError, TypeError, ValueError) as error:
            detail = f"{path}: {split}, entry {number}: {error!r}"
            bad.append(BadRecord("phrase", "an entry lacks a key", detail))
            continue
        for index, phrase in enumerate(phrases):
            yield Referral(f"{split}/{number}/{index}", picture, split, phrase, boxes)


def _picture(iid: object, published: Published) -> str:
    """Return the file name of a picture by its number, or by its name if it is one."""
    if isinstance(iid, str) and not iid.isdecimal():
        return iid
    number = int(str(iid))
    return f"{COCO_2014}{number:012d}.jpg" if published.pictures == COCO else f"{number}.jpg"
