"""Boxes from a class activation map.

Shapes: (h, w) cells of a map, (H, W) pixels of its image, R proposals.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn.functional import interpolate

Floats = NDArray[np.float64]


def resize_cam(cam: NDArray[np.floating], image_hw: tuple[int, int]) -> Floats:
    """Return a map resized to its image.

    Args:
        cam: map of the whole image, any scale (h, w).
        image_hw: height and width of the image in pixels.

    Returns:
        The map, bilinear between cell centres, float64 (H, W).
    """
    cells = torch.from_numpy(np.asarray(cam, np.float64))
    return interpolate(cells[None, None], image_hw, mode="bilinear")[0, 0].numpy()  # (H, W)


def threshold_box(heights: Floats, threshold: float) -> Floats | None:
    """Return the extent of the largest connected part of a map that is high enough.

    Args:
        heights: a map of any scale and sign, float64 (H, W).
        threshold: share of the range from the map's minimum to its peak, in (0, 1], that a pixel
            must reach.

    Returns:
        Corners in pixels, float64 (4,); None if nothing in the map is positive. Pixels are
        connected over their edges; of equally large parts, the one whose first pixel, row by row,
        comes first.
    """
    low, peak = float(heights.min()), float(heights.max())
    if peak <= 0:
        return None
    level = min(peak, low + threshold * (peak - low))  # the sum may round to more than the peak
    parts, _ = ndimage.label(heights >= level)  # (H, W), numbered in the order they begin
    largest = np.bincount(parts.ravel())[1:].argmax()
    rows, columns = ndimage.find_objects(parts)[largest]
    return np.array([columns.start, rows.start, columns.stop, rows.stop], np.float64)


def sums_inside(heights: Floats, boxes_xyxy: NDArray[np.floating]) -> Floats:
    """Return the integral of a map over boxes.

    Args:
        heights: a map of square pixels of constant height, float64 (H, W).
        boxes_xyxy: pixels, inside the image, real (R, 4); corners need not be whole numbers.

    Returns:
        Volume above each box, float64 (R,).
    """
    integral = np.pad(heights.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))  # (H + 1, W + 1)
    x1, y1, x2, y2 = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4).T
    corners = [_between(integral, y, x) for y, x in ((y2, x2), (y1, x2), (y2, x1), (y1, x1))]
    return corners[0] - corners[1] - corners[2] + corners[3]


def _between(integral: Floats, rows: Floats, columns: Floats) -> Floats:
    """Return `integral` at fractional places, bilinear, which is exact for an integral image."""
    top = np.clip(np.floor(rows).astype(int), 0, integral.shape[0] - 2)
    left = np.clip(np.floor(columns).astype(int), 0, integral.shape[1] - 2)
    down, right = rows - top, columns - left
    upper = integral[top, left] * (1 - right) + integral[top, left + 1] * right
    lower = integral[top + 1, left] * (1 - right) + integral[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down
