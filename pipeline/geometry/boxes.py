"""Where an image lies in the square the grounder sees, and what that does to boxes.

Everything geometric is one axis-aligned affine map from pixels of the original image to pixels of
the padded square. Overlap, area and format conversion of boxes are torchvision.ops' business.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Window = tuple[float, float, float, float]


@dataclass(frozen=True)
class Affine:
    """x' = scale_x * x + shift_x, y' = scale_y * y + shift_y; a negative scale mirrors."""

    scale_x: float
    scale_y: float
    shift_x: float
    shift_y: float

    def boxes(self, boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return mapped boxes.

        Args:
            boxes_xyxy: corners in pixels, (..., 4).

        Returns:
            Mapped corners, first corner still the smaller one, float32 (..., 4).
        """
        scale = np.array([self.scale_x, self.scale_y] * 2)
        shift = np.array([self.shift_x, self.shift_y] * 2)
        corners = boxes_xyxy.astype(np.float64) * scale + shift
        low = np.minimum(corners[..., :2], corners[..., 2:])
        high = np.maximum(corners[..., :2], corners[..., 2:])
        return np.concatenate([low, high], axis=-1).astype(np.float32)

    def inverse(self) -> "Affine":
        """Return the map that undoes this one."""
        return Affine(
            1 / self.scale_x,
            1 / self.scale_y,
            -self.shift_x / self.scale_x,
            -self.shift_y / self.scale_y,
        )


@dataclass(frozen=True)
class Placement:
    """A window of an image, scaled and put into a square, perhaps mirrored.

    Attributes:
        window_xyxy: what is seen, pixels of the original image.
        content_hw: height and width of the window in the square, whole pixels; the rest is padding.
        flip: the content is mirrored left to right, in its place.
        offset_xy: where its left top corner lies in the square, whole pixels.
    """

    window_xyxy: Window
    content_hw: tuple[int, int]
    flip: bool
    offset_xy: tuple[int, int] = (0, 0)

    @property
    def content_xyxy(self) -> tuple[int, int, int, int]:
        """Where the content lies in the square."""
        (left, top), (height, width) = self.offset_xy, self.content_hw
        return (left, top, left + width, top + height)

    @property
    def affine(self) -> Affine:
        """The map from original pixels to pixels of the square."""
        x1, y1, x2, y2 = self.window_xyxy
        height, width = self.content_hw
        scale_x, scale_y = width / (x2 - x1), height / (y2 - y1)
        left, top = self.offset_xy
        if self.flip:
            return Affine(-scale_x, scale_y, left + x2 * scale_x, top - y1 * scale_y)
        return Affine(scale_x, scale_y, left - x1 * scale_x, top - y1 * scale_y)


def whole_window(image_hw: tuple[int, int]) -> Window:
    """Return the window that is the whole image."""
    return (0.0, 0.0, float(image_hw[1]), float(image_hw[0]))


def letterbox(window_xyxy: Window, long_side_px: int, flip: bool = False) -> Placement:
    """Return a window scaled so that its longer side has a length, aspect to the nearest pixel.

    Args:
        window_xyxy: pixels of the original image, of positive width and height.
        long_side_px: of the content; the side of the square fills it.
        flip: mirror the content left to right.
    """
    x1, y1, x2, y2 = window_xyxy
    scale = long_side_px / max(x2 - x1, y2 - y1)
    height, width = (max(1, round((y2 - y1) * scale)), max(1, round((x2 - x1) * scale)))
    return Placement(window_xyxy, (height, width), flip)


def clip_boxes(boxes_xyxy: NDArray[np.floating], hw: tuple[int, int]) -> NDArray[np.float32]:
    """Return corners clipped to an area of height and width `hw`, float32 (..., 4)."""
    limits = np.array([hw[1], hw[0], hw[1], hw[0]], dtype=np.float32)
    return np.clip(boxes_xyxy.astype(np.float32), 0, limits)


def box_areas(boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return width times height of each box, (...); a reversed box has none."""
    sides = np.maximum(boxes_xyxy[..., 2:].astype(np.float64) - boxes_xyxy[..., :2], 0)
    return sides.prod(axis=-1)


def boxes_in_image(
    boxes_xyxy: NDArray[np.floating], image_hw: tuple[int, int], image_px: int
) -> NDArray[np.float32]:
    """Return boxes of the letterboxed square in the original image, clipped to it.

    Args:
        boxes_xyxy: pixels of the square, (..., 4).
        image_hw: height and width of the original image.
        image_px: side of the square.

    Returns:
        Pixels of the original image, float32 (..., 4).
    """
    affine = letterbox(whole_window(image_hw), image_px).affine
    return clip_boxes(affine.inverse().boxes(boxes_xyxy), image_hw)
