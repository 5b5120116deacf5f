"""ReferItGame as Hu et al. distribute it: `referit_query_<split>.json`, `referit_bbox.json`.

A query file maps `<picture>_<region>` to a list of phrases; `referit_bbox.json` maps the same names
to first and last pixel of the region's mask, counted from 0, both inside. `referit_imsize.json`, if
it is there, maps `<picture>.jpg` to width and height. `referit_query_trainval.json` is the union of
two others and is not read.
Source: https://github.com/ronghanghu/natural-language-object-retrieval.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.datasets.files import find_file, read_json
from pipeline.datasets.published import PUBLISHED
from pipeline.datasets.reading import BadRecord
from pipeline.datasets.referring import TRAIN, Referral, ReferringData
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset

FOLDERS = ("", "data/", "splits/referit/", "referit/")  # below the root of the data set


def read_referit_json(name: str, section: ReferringDataset) -> ReferringData:
    """Return the referring expressions in the files.

    Raises:
        InputError: a file is missing, broken or not of this layout.
    """
    root, key = Path(section.root), f"datasets.{name}.root in params.yaml"
    splits = PUBLISHED[section.collection].counts
    names = [f"{folder}referit_query_{split}.json" for folder in FOLDERS for split in splits]
    folder = find_file(root, names, key).parent
    bad: list[BadRecord] = []
    boxes = _mapping(folder / "referit_bbox.json", bad)
    sizes_wh = _mapping(folder / "referit_imsize.json", bad) if _has_sizes(folder) else {}
    referrals = [
        referral
        for split in splits
        if (folder / f"referit_query_{split}.json").is_file()
        for referral in _referrals(folder, split, boxes, sizes_wh, bad)
    ]
    return ReferringData(referrals, "inclusive", bad)


def _referrals(
    folder: Path,
    split: str,
    boxes: Mapping[str, Any],
    sizes_wh: Mapping[str, Any],
    bad: list[BadRecord],
) -> Iterator[Referral]:
    path = folder / f"referit_query_{split}.json"
    for region, phrases in _mapping(path, bad).items():
        if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
            bad.append(BadRecord("phrase", "a region has no list of texts", f"{path}: {region}"))
            continue
        picture = f"{region.partition('_')[0]}.jpg"
        own_boxes = (boxes[region],) if split != TRAIN and region in boxes else ()
        for number, phrase in enumerate(phrases):
            phrase_id = f"{region}/{number}"
            yield Referral(phrase_id, picture, split, phrase, own_boxes, _hw(sizes_wh.get(picture)))


def _has_sizes(folder: Path) -> bool:
    return (folder / "referit_imsize.json").is_file()


def _hw(size_wh: object) -> tuple[int, int] | None:
    if isinstance(size_wh, list) and [type(side) for side in size_wh] == [int, int]:
        width, height = size_wh
        return height, width
    return None


def _mapping(path: Path, bad: list[BadRecord]) -> Mapping[str, Any]:
    """Return the mapping in a file; of a name that occurs twice the first value stays."""
    repeated: list[str] = []
    content = read_json(path, build=partial(_first_of_each, repeated))
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a mapping of regions or pictures")
    cause = "an id occurs twice: the first stays"
    bad += [BadRecord("phrase", cause, f"{path}: {name}") for name in repeated]
    return content


def _first_of_each(repeated: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the first value of each key; a key with another value is added to `repeated`."""
    first: dict[str, Any] = {}
    for key, value in pairs:
        if first.setdefault(key, value) != value:
            repeated.append(key)
    return first
