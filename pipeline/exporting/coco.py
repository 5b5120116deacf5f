"""Predicted boxes in COCO's format: a data set with annotations, and a list of results.

COCO knows classes, not phrases: every annotation is of the one class `phrase` and bears its words.
Boxes are left, top, width, height. Source: https://cocodataset.org/#format-data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.exporting.predicted import DECIMALS, PredictedBox

CATEGORY = {"id": 1, "name": "phrase", "supercategory": "phrase"}
RESULT_KEYS = ("image_id", "category_id", "bbox", "score")


def coco_dataset(boxes: Sequence[PredictedBox], info: Mapping[str, str]) -> dict[str, Any]:
    """Return images and annotations, numbered from 1 in the order of the phrases.

    Args:
        boxes: one per phrase.
        info: about the data set, kept as it is.

    Returns:
        `info`, `images` (`id`, `file_name`, `height`, `width`), `annotations` (`id`, `image_id`,
        `category_id`, `bbox`, `area`, `iscrowd`, `score`, `phrase`, `phrase_id`, and `confidence`
        where there is one), `categories`.
    """
    images = {one.image.image_id: one.image for one in boxes}
    number_of = {image_id: number for number, image_id in enumerate(images, 1)}
    return {
        "info": dict(info),
        "images": [
            {
                "id": number_of[image_id],
                "file_name": image.file,
                "height": image.image_hw[0],
                "width": image.image_hw[1],
            }
            for image_id, image in images.items()
        ],
        "annotations": [
            _annotation(number, number_of[one.image.image_id], one)
            for number, one in enumerate(boxes, 1)
        ],
        "categories": [CATEGORY],
    }


def coco_results(dataset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations of a data set as COCO's list of results, for `COCO.loadRes`."""
    return [{key: one[key] for key in RESULT_KEYS} for one in dataset["annotations"]]


def _annotation(number: int, image_number: int, one: PredictedBox) -> dict[str, Any]:
    x1, y1, x2, y2 = one.box_xyxy
    width, height = x2 - x1, y2 - y1
    annotation = {
        "id": number,
        "image_id": image_number,
        "category_id": CATEGORY["id"],
        "bbox": [round(value, DECIMALS) for value in (x1, y1, width, height)],
        "area": round(width * height, DECIMALS),
        "iscrowd": 0,
        "score": one.score,
        "phrase": one.phrase.phrase,
        "phrase_id": one.phrase.phrase_id,
    }
    return annotation if one.confidence is None else annotation | {"confidence": one.confidence}
