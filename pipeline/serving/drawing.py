"""Pictures with the box and the heat map of an answer.

Shapes: H W pixels of the picture.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.caching.atomic import whole_file
from pipeline.images.overlays import tint
from pipeline.serving.found import Found
from pipeline.serving.rows import Request

COLOUR, EDGE = "#ff7a1a", "#101820"
LINE_SHARE = 1 / 150  # of the picture's longer side
_NO_LETTERS = re.compile(r"[^\w-]+")
_MOST_LETTERS = 60


def draw_found(pixels: NDArray[np.uint8], found: Found) -> NDArray[np.uint8]:
    """Return a picture with the box, over the heat map where there is one.

    Args:
        pixels: RGB, uint8 (H, W, 3).
        found: the answer.

    Returns:
        RGB, uint8 (H, W, 3).
    """
    heat_map = found.heat_map
    canvas = Image.fromarray(pixels if heat_map is None else tint(pixels, heat_map))
    width = max(2, round(LINE_SHARE * max(canvas.size)))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle(found.box_xyxy, outline=EDGE, width=width + 2)
    pen.rectangle(found.box_xyxy, outline=COLOUR, width=width)
    return np.asarray(canvas)


def write_drawing(folder: Path, number: int, request: Request, drawing: NDArray[np.uint8]) -> Path:
    """Write a drawing as PNG into a folder, and return its path.

    Args:
        folder: made if it is not there.
        number: of the request, from 1; it begins the name.
        request: its picture and phrase are in the name.
        drawing: RGB, uint8 (H, W, 3).

    Raises:
        WriteError: the disk is full or read-only, or the file may not be written.
    """
    words = _NO_LETTERS.sub("-", f"{Path(request.image).stem}_{request.phrase}")
    path = folder / f"{number:05d}_{words[:_MOST_LETTERS].strip('-')}.png"
    with whole_file(path) as partial:
        Image.fromarray(drawing).save(partial, "PNG")
    return path
