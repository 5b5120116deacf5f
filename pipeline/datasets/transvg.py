"""The lists of TransVG and its kin: `<key>/<key>_<split>.pth`, one tuple per phrase.

A tuple is (picture, box, phrase) for `flickr`, else (picture, mask, box, phrase[, attributes]).
Boxes of COCO's pictures are left, top, width, height; of the others first and last pixel, counted
from 0, both inside (ReferIt's from masks; Flickr30K's are taken to be the same).
Source: https://github.com/djiajunustc/TransVG and https://github.com/zyang-ur/onestage_grounding.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.dataset_sections import ReferringDataset
from pipeline.datasets.data_files import find_file
from pipeline.datasets.published import COCO, PUBLISHED
from pipeline.datasets.reading import BadRecord
from pipeline.datasets.referring import TRAIN, Found, Referral
from pipeline.datasets.safe_pickle import BROKEN_PICKLE
from pipeline.errors import InputError

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
_CORES = ("numpy.core", "numpy._core")  # NumPy 1 and 2
_ARRAY_PARTS: list[Any] = [  # what an array is made of in a pickle
    *((np.ndarray(0).__reduce__()[0], f"{core}.multiarray._reconstruct") for core in _CORES),
    *((np.float64(0).__reduce__()[0], f"{core}.multiarray.scalar") for core in _CORES),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("i2", "i4", "i8", "u1", "u2", "f4", "f8")),
]


def read_transvg(name: str, section: ReferringDataset) -> Found:
    """Return what the lists tell.

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
    first = f"{key}_{TRAIN}.pth"
    folder = find_file(Path(section.root), (f"{key}/{first}", first), f"{where}.root").parent
    bad: list[BadRecord] = []
    referrals = [
        referral
        for split in published.counts
        if (folder / f"{key}_{split}.pth").is_file()
        for referral in _referrals(folder / f"{key}_{split}.pth", key, split, bad)
    ]
    return Found(referrals, "xywh" if published.pictures == COCO else "inclusive", bad)


def load_list(path: Path) -> list[Any]:
    """Return the list in a file of torch, old or new, which may hold arrays and nothing to call.

    Raises:
        InputError: the file is broken, asks for anything else, or holds no list.
    """
    try:
        with torch.serialization.safe_globals(_ARRAY_PARTS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (*BROKEN_PICKLE, RuntimeError, OSError) as error:
        told = str(error).partition("\n")[0]
        raise InputError(f"{path}: is refused as a list of torch: {told}; get it anew") from error
    if not isinstance(content, list):
        raise InputError(f"{path}: must hold a list of tuples, holds a {type(content).__name__}")
    return content


def _referrals(path: Path, key: str, split: str, bad: list[BadRecord]) -> Iterator[Referral]:
    lengths = _LENGTHS.get(key, _OTHER_LENGTHS)
    for number, row in enumerate(load_list(path)):
        phrase_id = f"{split}/{number}"
        if not isinstance(row, list | tuple) or len(row) not in lengths:
            told = " or ".join(map(str, lengths))
            bad.append(BadRecord("phrase", f"a row has not {told} parts", f"{path}: {number}"))
            continue
        place = 1 if key in _LENGTHS else 2
        picture, box, phrase = row[0], row[place], row[place + 1]
        if not isinstance(picture, str) or not isinstance(phrase, str):
            bad.append(BadRecord("phrase", "picture or phrase is no text", f"{path}: {number}"))
            continue
        yield Referral(phrase_id, picture, split, phrase, () if split == TRAIN else (box,))
