"""How the two ways of splitting RefCOCOg overlap: what one trains on, the other tests on."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.datasets.safe_pickle import read_plain_pickle

GOOGLE, UMD = "refs(google).p", "refs(umd).p"


def overlap_remarks(folder: Path) -> tuple[str, ...]:
    """Return how many evaluation images of each way the other trains on; needs the refs of both.

    Raises:
        InputError: a file of refs is refused.
    """
    if not all((folder / name).is_file() for name in (GOOGLE, UMD)):
        return ()
    images = {name: images_of_splits(read_plain_pickle(folder / name)) for name in (GOOGLE, UMD)}
    return (_remark(images, GOOGLE, UMD), _remark(images, UMD, GOOGLE))


def images_of_splits(refs: Iterable[Any]) -> dict[str, set[object]]:
    """Return the ids of the images of each split."""
    images: dict[str, set[object]] = defaultdict(set)
    for ref in refs:
        if isinstance(ref, dict) and {"split", "image_id"} <= set(ref):
            images[ref["split"]].add(ref["image_id"])
    return images


def _remark(images: dict[str, dict[str, set[object]]], trained: str, tested: str) -> str:
    held = {split: ids for split, ids in images[tested].items() if split != "train"}
    evaluated = set().union(*held.values())
    seen = len(evaluated & images[trained]["train"])
    return (
        f"{seen:,} of {len(evaluated):,} images of {tested} outside train are in train of "
        f"{trained}: train and evaluate by the same file"
    )
