"""The layout of the `refer` tools: RefCOCO, RefCOCO+, RefCOCOg, RefClef.

`refs(<who split>).p`: a pickle of Python 2, a list of mappings with `ref_id`, `ann_id`,
`image_id`, `split` and `sentences` (`sent_id`, `sent`, ...). `instances.json`: as COCO, `images`
and `annotations` with `bbox` as left, top, width, height. The `file_name` of a ref ends in the
number of the object; the file name in `instances.json` is the one used.
Source: https://github.com/lichengunc/refer.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.files import find_file, read_json
from pipeline.datasets.published import PUBLISHED
from pipeline.datasets.readers.safe_pickle import read_plain_pickle
from pipeline.datasets.reading import BadRecord
from pipeline.datasets.referring import TRAIN, Referral, ReferringData
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset

FOLDERS = {"refcoco_plus": "refcoco+"}  # where the name of the data set is not the folder's


@dataclass(frozen=True)
class Instances:
    """Content of `instances.json`.

    Attributes:
        pictures: file name, and (height, width) if given, of each image id.
        boxes: left, top, width, height of each annotation id.
        bad: what could not be used.
    """

    pictures: Mapping[object, tuple[str, tuple[int, int] | None]]
    boxes: Mapping[object, object]
    bad: tuple[BadRecord, ...]


def read_refer(name: str, section: ReferringDataset) -> ReferringData:
    """Return the referring expressions in the files.

    Raises:
        InputError: a file is missing, broken or not of this layout.
    """
    data_set, _, who_split = section.collection.rpartition("_")
    folder = FOLDERS.get(data_set, data_set)
    root, key = Path(section.root), f"datasets.{name}.root in params.yaml"
    refs_file = f"refs({who_split}).p"
    refs = find_file(root, (refs_file, f"{folder}/{refs_file}"), key)
    instances = read_instances(refs.with_name("instances.json"))
    content = read_plain_pickle(refs)
    if not isinstance(content, list):
        raise InputError(f"{refs}: must hold a list of refs, holds a {type(content).__name__}")
    bad = list(instances.bad)
    splits = frozenset(PUBLISHED[section.collection].counts)
    referrals = list(_referrals(content, instances, splits, bad))
    remarks = overlap_remarks(refs.parent) if data_set == "refcocog" else ()
    return ReferringData(referrals, "xywh", bad, remarks)


def read_instances(path: Path) -> Instances:
    """Return file names, sizes and boxes; outlines are dropped while reading.

    Raises:
        InputError: the file is missing, broken or not of this layout.
    """
    content = read_json(path, keep=_without_outline)
    try:
        images, annotations = content["images"], content["annotations"]
        pictures = [(image["id"], (str(image["file_name"]), _hw(image))) for image in images]
        boxes = [(annotation["id"], annotation.get("bbox")) for annotation in annotations]
        hash(tuple(key for key, _ in (*pictures, *boxes)))  # a TypeError if one is no plain value
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: is not COCO's layout: {error!r} is missing or wrong") from error
    bad: list[BadRecord] = []
    return Instances(
        _first_of_each(pictures, f"{path}: image", bad),
        _first_of_each(boxes, f"{path}: annotation", bad),
        tuple(bad),
    )


def _referrals(
    refs: Iterable[Any], instances: Instances, splits: frozenset[str], bad: list[BadRecord]
) -> Iterator[Referral]:
    for number, ref in enumerate(refs):
        try:
            ref_name = f"ref {ref['ref_id']}"
            split, image_id, ann_id = ref["split"], ref["image_id"], ref["ann_id"]
            sentences = [(str(item["sent_id"]), str(item["sent"])) for item in ref["sentences"]]
            hash((split, image_id, ann_id))  # a TypeError if one is no plain value
        except (KeyError, TypeError, ValueError) as error:
            bad.append(BadRecord("phrase", "a ref lacks a key", f"ref number {number}: {error!r}"))
            continue
        cause = _cause_to_skip(split, image_id, ann_id, instances, splits)
        if cause:
            details = [f"{ref_name}, sentence {sentence_id}" for sentence_id, _ in sentences]
            bad += [BadRecord("phrase", cause, detail) for detail in details]
            continue
        file, image_hw = instances.pictures[image_id]
        boxes = () if split == TRAIN else (instances.boxes[ann_id],)
        for sentence_id, sentence in sentences:
            yield Referral(sentence_id, file, split, sentence, boxes, image_hw)


def _cause_to_skip(
    split: object, image_id: object, ann_id: object, instances: Instances, splits: frozenset[str]
) -> str | None:
    """Return why a ref cannot be used, or None; training needs no annotation."""
    if split not in splits:
        return f"the split is none of {', '.join(sorted(splits))}"
    if image_id not in instances.pictures:
        return "instances.json has no such image"
    if split != TRAIN and ann_id not in instances.boxes:
        return "instances.json has no such annotation"
    return None


def _first_of_each(
    pairs: Iterable[tuple[object, Any]], name: str, bad: list[BadRecord]
) -> dict[object, Any]:
    """Return the first value of each id; an id with another value is reported as bad."""
    first: dict[object, Any] = {}
    for key, value in pairs:
        if first.setdefault(key, value) != value:
            bad.append(
                BadRecord(
                    "phrase", "instances.json has an id twice: the first stays", f"{name} {key}"
                )
            )
    return first


def _hw(image: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _without_outline(value: dict[str, Any]) -> dict[str, Any]:
    value.pop("segmentation", None)
    return value


GOOGLE, UMD = "refs(google).p", "refs(umd).p"


def overlap_remarks(folder: Path) -> tuple[str, ...]:
    """Return remarks: how many evaluation images of one split of RefCOCOg the other trains on.

    Without the refs of both there is no remark.

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
        try:
            split, image_id = ref["split"], ref["image_id"]
            hash((split, image_id))  # a TypeError if one is no plain value
        except (KeyError, TypeError):
            continue
        images[split].add(image_id)
    return images


def _remark(images: dict[str, dict[str, set[object]]], trained: str, tested: str) -> str:
    others = {split: ids for split, ids in images[tested].items() if split != "train"}
    evaluated = set().union(*others.values())
    num_shared = len(evaluated & images[trained]["train"])
    return (
        f"{num_shared:,} of {len(evaluated):,} images of {tested} outside train are in train of "
        f"{trained}: train and evaluate by the same file"
    )
