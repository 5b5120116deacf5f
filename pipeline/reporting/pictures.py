"""Pictures of single phrases: boxes and maps drawn over the photograph.

Shapes: (H, W) pixels of an image, (h, w) cells of a map over the padded square around it.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.images.overlays import map_over_image, tint

LONG_SIDE_PX = 420
COLOURS = {"gt": "#00e0a0", "reg": "#ff7a1a", "proposal": "#4db8ff"}


def choose_rows(
    rows: Sequence[Mapping[str, Any]], count: int, method: str, iou: float, seed: int
) -> list[Mapping[str, Any]]:
    """Return random examples: as far as there are enough, half hits and half misses, hits first.

    Args:
        rows: of `predictions.jsonl`.
        count: how many to draw.
        method: whose hits.
        iou: least IoU of a hit.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    order = [rows[index] for index in rng.permutation(len(rows))]
    hits = [row for row in order if row["iou"][method] >= iou]
    misses = [row for row in order if row["iou"][method] < iou]
    num_misses = min(len(misses), max(count // 2, count - len(hits)))
    return hits[: count - num_misses] + misses[:num_misses]


def draw_boxes(
    image: NDArray[np.uint8], boxes_xyxy: Mapping[str, Sequence[Sequence[float]]]
) -> bytes:
    """Return an image with boxes drawn over it.

    Args:
        image: RGB uint8 (H, W, 3).
        boxes_xyxy: boxes in pixels of the image for each key of `COLOURS`; the first lie on top.

    Returns:
        JPEG, the longer side `LONG_SIDE_PX`.
    """
    canvas, scale = _scaled(image)
    pen = ImageDraw.Draw(canvas)
    for name, boxes in reversed(list(boxes_xyxy.items())):
        for box in boxes:
            corners = [scale * value for value in box]
            for width, margin, colour in ((6, 1, "#101820"), (3, 0, COLOURS[name])):
                pen.rectangle(_grown(corners, margin, canvas.size), None, colour, width)
    return _jpeg(canvas)


def draw_map(image: NDArray[np.uint8], heights: NDArray[np.floating]) -> bytes:
    """Return an image with a map laid over it: blue where it is 0, yellow where it is 1.

    Args:
        image: RGB uint8 (H, W, 3).
        heights: in [0, 1], over the square whose top left part is the image and whose side is the
            image's longer one (h, w).

    Returns:
        JPEG, the longer side `LONG_SIDE_PX`.
    """
    canvas, _ = _scaled(image)
    hw = (canvas.height, canvas.width)
    return _jpeg(Image.fromarray(tint(np.asarray(canvas), map_over_image(heights, hw))))


def _scaled(image: NDArray[np.uint8]) -> tuple[Image.Image, float]:
    height, width = image.shape[:2]
    scale = LONG_SIDE_PX / max(height, width)
    canvas_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(image).resize(canvas_wh, Image.Resampling.LANCZOS), scale


def _grown(corners: Sequence[float], margin: int, canvas_wh: tuple[int, int]) -> list[float]:
    """Return corners moved out by `margin`, in order and inside the canvas."""
    right, bottom = canvas_wh[0] - 1, canvas_wh[1] - 1
    x1, y1 = min(max(0, corners[0] - margin), right), min(max(0, corners[1] - margin), bottom)
    x2, y2 = min(max(x1, corners[2] + margin), right), min(max(y1, corners[3] + margin), bottom)
    return [x1, y1, x2, y2]


def _jpeg(canvas: Image.Image) -> bytes:
    stream = io.BytesIO()
    canvas.save(stream, "JPEG", quality=86, subsampling=0)
    return stream.getvalue()
