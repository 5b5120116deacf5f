"""The pixels of an image that have the colours a phrase names.

Shapes: H W pixels, P phrases, R boxes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.phrases.colour_words import colours_of
from pipeline.geometry.boxes import box_areas
from pipeline.geometry.cam_boxes import sums_inside

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Range = tuple[float, float]
_ANY: Range = (0.0, 1.0)
_ALL_HUES: Range = (0.0, 360.0)


@dataclass(frozen=True)
class ColourRange:
    """Which pixels have a colour; both ends of a range belong to it.

    Attributes:
        hue: degrees, [0, 360]; one that ends below its start goes through 0.
        saturation: of HSV, in [0, 1].
        value: of HSV, in [0, 1].
    """

    hue: Range
    saturation: Range
    value: Range


# Set by eye, wide, for photographs in any light; a pixel may have several colours, or none.
RANGES = {
    "black": ColourRange(_ALL_HUES, _ANY, (0.0, 0.28)),
    "white": ColourRange(_ALL_HUES, (0.0, 0.22), (0.68, 1.0)),
    "gray": ColourRange(_ALL_HUES, (0.0, 0.22), (0.25, 0.75)),
    "red": ColourRange((342.0, 14.0), (0.45, 1.0), (0.25, 1.0)),
    "orange": ColourRange((10.0, 42.0), (0.6, 1.0), (0.5, 1.0)),
    "brown": ColourRange((350.0, 48.0), (0.22, 1.0), (0.12, 0.65)),
    "yellow": ColourRange((40.0, 72.0), (0.35, 1.0), (0.45, 1.0)),
    "green": ColourRange((65.0, 170.0), (0.2, 1.0), (0.15, 1.0)),
    "blue": ColourRange((175.0, 262.0), (0.25, 1.0), (0.15, 1.0)),
    "purple": ColourRange((255.0, 320.0), (0.2, 1.0), (0.15, 1.0)),
    "pink": ColourRange((310.0, 12.0), (0.15, 1.0), (0.55, 1.0)),
}


def colour_shares(
    image: Pixels, pixel_mask: Mask, phrases: Sequence[str], boxes_xyxy: Floats
) -> Floats:
    """Return how much of each box has a colour that each phrase names.

    Args:
        image: RGB, uint8 (3, H, W).
        pixel_mask: image, not padding, bool (H, W).
        phrases: P texts.
        boxes_xyxy: pixels, inside the image, float32 (R, 4).

    Returns:
        Shares of each box's area, in [0, 1], float32 (P, R); 0 for a phrase without a colour word
        and for a box without area.
    """
    named_colours = [colours_of(phrase) for phrase in phrases]
    shares = np.zeros((len(named_colours), len(boxes_xyxy)), np.float32)  # (P, R)
    if not any(named_colours):
        return shares
    hsv = to_hsv(np.divide(image, 255, dtype=np.float32))
    for names in filter(None, set(named_colours)):
        is_named = [names == others for others in named_colours]
        shares[is_named] = _share_inside(has_colour(hsv, names) & pixel_mask, boxes_xyxy)
    return shares


def has_colour(hsv: Floats, names: Collection[str]) -> Mask:
    """Return which pixels of HSV (3, H, W), as of `to_hsv`, have one of the colours, (H, W)."""
    hue, saturation, value = hsv
    mask = np.zeros(hue.shape, np.bool_)  # (H, W)
    for colour in (RANGES[name] for name in names):
        start, end = colour.hue
        has_hue = (hue - start) % 360 <= ((end - start) % 360 or 360)
        mask |= has_hue & _within(saturation, colour.saturation) & _within(value, colour.value)
    return mask


def to_hsv(image: Floats) -> Floats:
    """Return hue in degrees, [0, 360), saturation and value in [0, 1], float32 (3, H, W).

    Args:
        image: RGB in [0, 1], float32 (3, H, W).
    """
    value, low = image.max(axis=0), image.min(axis=0)  # (H, W) twice
    span = value - low
    red, green, blue = image
    divisor = np.where(span > 0, span, 1)
    sector = np.select(
        [value == red, value == green],
        [(green - blue) / divisor % 6, (blue - red) / divisor + 2],
        (red - green) / divisor + 4,
    )
    saturation = span / np.where(value > 0, value, 1)
    return np.stack([60 * sector * (span > 0), saturation, value]).astype(np.float32)


def _share_inside(mask: Mask, boxes_xyxy: Floats) -> Floats:
    """Return how much of each box's area is True in a mask (H, W), float32 (R,), in [0, 1]."""
    areas = box_areas(boxes_xyxy).astype(np.float64)
    inside = sums_inside(mask.astype(np.float64), boxes_xyxy)  # (R,)
    shares = np.divide(inside, areas, out=np.zeros(len(areas)), where=areas > 0)
    return np.clip(shares, 0, 1).astype(np.float32)


def _within(values: Floats, limits: Range) -> Mask:
    low, high = limits
    return (values >= low) & (values <= high)
