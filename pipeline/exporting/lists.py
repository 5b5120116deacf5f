"""Predicted boxes as the project's own JSON lines, and as lists of TransVG.

Both are layouts that `pipeline/datasets/readers` reads: a student that is trained on such data
finds the model's boxes where it expects annotated ones.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.datasets.published import COCO, PUBLISHED
from pipeline.datasets.readers.transvg import KEYS
from pipeline.exporting.predicted import DECIMALS, PredictedBox
from pipeline.params.datasets import Collection, DatasetSection, ReferringDataset

FLICKR: Collection = "flickr30k"  # its layout suits any pictures: it names no mask


def json_rows(boxes: Sequence[PredictedBox]) -> list[dict[str, Any]]:
    """Return one object per phrase, as docs/datasets.md describes them, with what was predicted."""
    rows = []
    for one in boxes:
        row: dict[str, Any] = {
            "image": one.image.file,
            "phrase": one.phrase.phrase,
            "boxes_xyxy": [list(one.box_xyxy)],
            "score": one.score,
            "id": one.phrase.phrase_id,
        }
        if one.confidence is not None:
            row["confidence"] = one.confidence
        if one.phrase.sentence is not None and one.phrase.span is not None:
            row |= {"sentence": one.phrase.sentence, "span": list(one.phrase.span)}
        rows.append(row)
    return rows


def transvg_collection(section: DatasetSection) -> Collection:
    """Return the collection whose list of TransVG holds a data set; Flickr30K's if none does."""
    if isinstance(section, ReferringDataset) and section.collection in KEYS:
        return section.collection
    return FLICKR


def transvg_rows(boxes: Sequence[PredictedBox], collection: Collection) -> list[tuple[Any, ...]]:
    """Return one tuple per phrase, which has no place for the score.

    Args:
        boxes: one per phrase.
        collection: of the list; it says what a tuple holds and what its four numbers mean.

    Returns:
        (picture, box, phrase) of `flickr30k`, else (picture, mask, box, phrase, attributes) with an
        empty name and an empty list. Boxes of COCO's pictures are left, top, width, height; others
        first and last pixel: 1 less than our right and bottom.
    """
    is_coco = PUBLISHED[collection].pictures == COCO
    rows: list[tuple[Any, ...]] = []
    for one in boxes:
        x1, y1, x2, y2 = one.box_xyxy
        last = (x2 - x1, y2 - y1) if is_coco else (x2 - 1, y2 - 1)
        box = [round(value, DECIMALS) for value in (x1, y1, *last)]
        picture, phrase = one.image.file, one.phrase.phrase
        flickr = collection == FLICKR
        rows.append((picture, box, phrase) if flickr else (picture, "", box, phrase, []))
    return rows
