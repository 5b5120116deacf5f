"""Conversion of boxes in files to continuous corners, and their check against the image.

| form | numbers | source |
|---|---|---|
| `xywh` | left, top, width, height | COCO |
| `xyxy` | continuous corners: width = x2 - x1 | this project |
| `inclusive` | first and last pixel, counted from 0: width = x2 - x1 + 1 | masks of ReferIt |
"""

import math
from typing import Literal

from pipeline.records import Box

BoxForm = Literal["xywh", "xyxy", "inclusive"]
ROUNDING_PX = 1.0  # a box may reach out of its image by so much: clipped without a word
FEW_PX = 3  # a side of an image in which boxes of single pixels are likely
SHARE_SLACK = 0.01  # a share may reach out of [0, 1] by so much
SKIPPED, CLIPPED = "skipped", "clipped"
_OTHER: dict[BoxForm, BoxForm] = {"xywh": "xyxy", "xyxy": "xywh", "inclusive": "xywh"}
_DESCRIPTIONS: dict[BoxForm, str] = {
    "xywh": "x, y, width, height",
    "xyxy": "corners",
    "inclusive": "corners",
}


def check_box(
    values: object, form: BoxForm, image_hw: tuple[int, int]
) -> tuple[Box | None, str | None]:
    """Return a box in continuous corners inside the image, and its problem.

    Args:
        values: four numbers in a list or a tuple.
        form: meaning of the four numbers.
        image_hw: height and width of the image, pixels.

    Returns:
        The box, None if it cannot be used; the problem, None if there is none. A box that fits
        the image only in another form is not used, nor is one of shares of width and height.
    """
    numbers = _numbers(values)
    if numbers is None:
        return None, f"a box is not four finite numbers: {SKIPPED}"
    if are_shares(numbers, image_hw):
        return None, f"a box is of shares of width and height, not of pixels: {SKIPPED}"
    box = to_corners(numbers, form)
    if _fits(box, image_hw):
        return clip(box, image_hw), None
    if _fits(to_corners(numbers, _OTHER[form]), image_hw):
        declared, fitting = _DESCRIPTIONS[form], _DESCRIPTIONS[_OTHER[form]]
        return None, f"a box does not fit its image as {declared}, but as {fitting}: {SKIPPED}"
    clipped = clip(box, image_hw)
    if not has_area(clipped):
        return None, f"a box has no area in its image: {SKIPPED}"
    return clipped, f"a box reaches out of its image: {CLIPPED}"


def are_shares(numbers: Box, image_hw: tuple[int, int]) -> bool:
    """Return whether the numbers of a box can be shares of width and height, but hardly pixels.

    All of them lie in [0, 1], some between (or they are 0, 0, 1, 1: the whole image), so that as
    pixels, in any form, they would be a part of the first ones; an image of so few is not judged.
    """
    in_range = all(-SHARE_SLACK <= number <= 1 + SHARE_SLACK for number in numbers)
    has_fraction = any(number != round(number) for number in numbers)
    return in_range and (has_fraction or numbers == (0, 0, 1, 1)) and min(image_hw) > FEW_PX


def to_corners(numbers: Box, form: BoxForm) -> Box:
    """Return four numbers of a form as continuous corners: pixel 0 reaches from 0 to 1."""
    x1, y1, third, fourth = numbers
    if form == "xywh":
        return x1, y1, x1 + third, y1 + fourth
    beyond = 1.0 if form == "inclusive" else 0.0
    return x1, y1, third + beyond, fourth + beyond


def clip(box: Box, image_hw: tuple[int, int]) -> Box:
    """Return the part of a box inside the image, perhaps without area."""
    height, width = image_hw
    x1, x2 = (min(max(x, 0.0), float(width)) for x in box[::2])
    y1, y2 = (min(max(y, 0.0), float(height)) for y in box[1::2])
    return x1, y1, x2, y2


def has_area(box: Box) -> bool:
    """Return whether a box has a positive width and height."""
    return box[2] > box[0] and box[3] > box[1]


def _numbers(values: object) -> Box | None:
    if not isinstance(values, list | tuple) or len(values) != 4:
        return None
    if not all(isinstance(value, int | float) for value in values):
        return None
    try:
        x1, y1, third, fourth = (float(value) for value in values)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    numbers = (x1, y1, third, fourth)
    return numbers if all(map(math.isfinite, numbers)) else None


def _fits(box: Box, image_hw: tuple[int, int]) -> bool:
    height, width = image_hw
    x1, y1, x2, y2 = box
    inside = (
        min(x1, y1) >= -ROUNDING_PX and x2 <= width + ROUNDING_PX and y2 <= height + ROUNDING_PX
    )
    return has_area(clip(box, image_hw)) and inside
