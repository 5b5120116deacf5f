"""Apply the one affine map of a sample to its image, its mask, its proposals and its CAMs.

Shapes: H W pixels of the original image, S side of the padded square, R proposals, M maps of
(h, w) cells of the whole image squashed to a square, g cells along each side of the square.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample, interpolate

from pipeline.geometry.boxes import Affine, Placement, box_areas, clip_boxes

Floats = NDArray[np.float32]

CUT_BOX_KEEPS = 0.3  # a proposal cut further than this share of its area is dropped
CUT_BOX_SIDE_PX = 8
_ROUNDING_PX = 1e-3


def place_image(image: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    """Return an image cut, scaled and mirrored; bilinear, antialiased where it shrinks.

    The bytes are Pillow's but for 1 in fewer than a hundredth of them, in a third of the time.

    Args:
        image: RGB uint8 (H, W, 3).
        placement: where it goes; its window has whole pixels.

    Returns:
        The content of the square, without padding, RGB uint8 (3, *content_hw).
    """
    x1, y1, x2, y2 = map(round, placement.window_xyxy)
    content = torch.from_numpy(np.require(image[y1:y2, x1:x2], requirements=["C", "W"]))
    content = content.permute(2, 0, 1)  # (3, y2 - y1, x2 - x1)
    if content.shape[1:] != placement.content_hw:
        content = interpolate(content[None], placement.content_hw, mode="bilinear", antialias=True)[
            0
        ]  # (3, *content_hw)
    return content.numpy()[..., ::-1] if placement.flip else content.numpy()


def pad_to_square(
    content: NDArray[Any], side: int, offset_xy: tuple[int, int] = (0, 0)
) -> NDArray[Any]:
    """Return content (..., h, w) at an offset in zeros (False) of (..., side, side)."""
    (left, top), (height, width) = offset_xy, content.shape[-2:]
    square = np.zeros((*content.shape[:-2], side, side), content.dtype)
    square[..., top : top + height, left : left + width] = content
    return square


def place_boxes(boxes_xyxy: Floats, placement: Placement) -> tuple[Floats, NDArray[np.intp]]:
    """Return proposals mapped to the square and clipped to the content.

    A proposal that was cut is dropped if less than 30 % of its area or a side of less than 8 px is
    left. If all would be dropped, the one that keeps the largest share stays.

    Args:
        boxes_xyxy: original pixels, float32 (R, 4).
        placement: where the image goes.

    Returns:
        The r boxes left, pixels of the square, float32 (r, 4), and which they are (r,).
    """
    mapped = placement.affine.boxes(boxes_xyxy)
    corner = np.array(placement.offset_xy * 2, np.float32)
    clipped = clip_boxes(mapped - corner, placement.content_hw) + corner
    shares = box_areas(clipped) / np.maximum(box_areas(mapped), np.finfo(np.float32).tiny)
    shorter_side = (clipped[:, 2:] - clipped[:, :2]).min(axis=1)
    is_whole = np.abs(clipped - mapped).max(axis=1) < _ROUNDING_PX
    stays = is_whole | ((shares >= CUT_BOX_KEEPS) & (shorter_side >= CUT_BOX_SIDE_PX))
    if len(stays) and not stays.any():
        stays[shares.argmax()] = True
    return clipped[stays], np.flatnonzero(stays)


def place_cams(
    maps: NDArray[np.floating], image_hw: tuple[int, int], placement: Placement, stride: int
) -> Floats:
    """Return the positive part of maps at the cell centres of the content of the square.

    Args:
        maps: signed, of the whole image squashed to a square, real (M, h, w).
        image_hw: height and width of the original image.
        placement: where the image goes; the square's side is `stride` times a whole number g.
        stride: pixels of the square per cell.

    Returns:
        Maps over the cells of `content_cells`, bilinear, >= 0, float32 (M, rows, columns).
    """
    columns, rows = content_cells(placement, stride)
    to_original = placement.affine.inverse()
    xs, ys = _centres(columns, stride), _centres(rows, stride)
    norm_x = 2 * (to_original.scale_x * xs + to_original.shift_x) / image_hw[1] - 1  # (columns,)
    norm_y = 2 * (to_original.scale_y * ys + to_original.shift_y) / image_hw[0] - 1  # (rows,)
    points = np.stack(np.broadcast_arrays(norm_x[None], norm_y[:, None]), axis=-1)
    positive = torch.from_numpy(np.maximum(maps.astype(np.float32), 0))
    placed = grid_sample(
        positive[None],  # (1, M, h, w)
        torch.from_numpy(points.astype(np.float32))[None],  # (1, rows, columns, 2)
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return placed[0].numpy()  # (M, rows, columns)


def content_cells(placement: Placement, stride: int) -> tuple[range, range]:
    """Return which columns and rows of cells have their centre in the content, at least one each.

    Args:
        placement: where an image lies in its square.
        stride: pixels of the square per cell.
    """
    x1, y1, x2, y2 = placement.content_xyxy
    return _cells_between(x1, x2, stride), _cells_between(y1, y2, stride)


def _cells_between(start: int, stop: int, stride: int) -> range:
    first, end = (int(np.ceil(px / stride - 0.5)) for px in (start, stop))
    middle = (start + stop) // 2 // stride
    return range(first, end) if first < end else range(middle, middle + 1)


def scale_to_unit(maps: Floats) -> Floats:
    """Return each map (M, h, w) scaled to [0, 1] by its own minimum and maximum, float32.

    A map without contrast, so also one that is zero everywhere, becomes zero everywhere.
    """
    low = maps.min(axis=(-2, -1), keepdims=True)  # (M, 1, 1)
    span = maps.max(axis=(-2, -1), keepdims=True) - low  # (M, 1, 1)
    return np.where(span > 0, (maps - low) / np.where(span > 0, span, 1), 0).astype(np.float32)


def cam_mass(maps: NDArray[np.floating], windows_norm: NDArray[np.floating]) -> Floats:
    """Return the sum of maps' positive part inside windows; a cell cut by a border counts in part.

    Args:
        maps: signed, real (M, h, w).
        windows_norm: corners as shares of the map's width and height, real (R, 4).

    Returns:
        Sums, float32 (M, R).
    """
    height, width = maps.shape[-2:]
    columns = _overlaps(windows_norm[:, 0] * width, windows_norm[:, 2] * width, width)  # (R, w)
    rows = _overlaps(windows_norm[:, 1] * height, windows_norm[:, 3] * height, height)  # (R, h)
    positive = np.maximum(maps.astype(np.float64), 0)
    return np.einsum("rh,mhw,rw->mr", rows, positive, columns).astype(np.float32)


def windows_of(boxes_xyxy: NDArray[np.floating], image_hw: tuple[int, int]) -> Floats:
    """Return boxes in pixels, (R, 4), as shares of the image's width and height, float32 (R, 4)."""
    return Affine(1 / image_hw[1], 1 / image_hw[0], 0, 0).boxes(boxes_xyxy)


def _centres(cells: range, stride: int) -> NDArray[np.float64]:
    return stride * (np.asarray(cells, dtype=np.float64) + 0.5)


def _overlaps(
    starts: NDArray[np.floating], stops: NDArray[np.floating], count: int
) -> NDArray[np.float64]:
    """Return the length of each interval inside each of `count` unit cells, (R, count)."""
    cells = np.arange(count)
    low = np.maximum(starts[:, None], cells)
    high = np.minimum(stops[:, None], cells + 1)
    return np.asarray(np.maximum(high - low, 0), np.float64)
