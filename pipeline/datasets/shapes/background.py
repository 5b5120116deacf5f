"""Background of a scene: a textured ground and small marks that are no objects."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.datasets.shapes.vocabulary import COLOURS

Marker = Callable[[np.random.Generator, ImageDraw.ImageDraw, int, int, tuple[int, int, int]], None]


def draw_background(
    rng: np.random.Generator, image_hw: tuple[int, int], num_marks: int
) -> NDArray[np.int32]:
    """Return a ground with clutter, int32 (H, W, 3), 0 to 255.

    Args:
        rng: source of every choice.
        image_hw: height and width in pixels.
        num_marks: number of small marks.
    """
    base = rng.integers(95, 195, size=3)
    base = (base + base.sum() // 3) // 2  # muted
    ground = base + _clouds(rng, image_hw, 4, 36) + _clouds(rng, image_hw, 14, 20)
    ground += _pattern(rng, image_hw)
    canvas = Image.fromarray(np.minimum(ground, 255).astype(np.uint8))  # it never nears 0
    _lay_patches(rng, canvas)
    pencil = ImageDraw.Draw(canvas)
    for _ in range(num_marks):
        _mark(rng, pencil, canvas.size)
    return np.asarray(canvas).astype(np.int32)


def add_grain(rng: np.random.Generator, image: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return an image with random exposure and sensor noise, uint8 (H, W, 3).

    Args:
        rng: source of every choice.
        image: int32 (H, W, 3), 0 to 255.
    """
    exposure = int(rng.integers(88, 113))
    noise = rng.integers(-5, 6, size=image.shape) + rng.integers(-5, 6, size=(*image.shape[:2], 1))
    return np.clip(image * exposure // 100 + noise, 0, 255).astype(np.uint8)


def _clouds(
    rng: np.random.Generator, image_hw: tuple[int, int], cells: int, strength: int
) -> NDArray[np.int64]:
    """Return smooth noise around zero, int64 (H, W, 3)."""
    coarse = rng.integers(0, 256, size=(cells, cells, 3)).astype(np.uint8)
    smooth = Image.fromarray(coarse).resize(image_hw[::-1], Image.Resampling.BILINEAR)
    return (np.asarray(smooth).astype(np.int64) - 128) * strength // 128


def _pattern(rng: np.random.Generator, image_hw: tuple[int, int]) -> NDArray[np.int64]:
    """Return planks, tiles or nothing, int64 (H, W, 1)."""
    y, x = np.indices(image_hw)
    period, depth = int(rng.integers(18, 44)), int(rng.integers(8, 24))
    kind = int(rng.integers(4))
    if kind == 0:
        lines = (y % period < 2) | ((x + y // period * 37) % (3 * period) < 2)
        return np.where(lines, -depth, 0)[:, :, None]
    if kind == 1:
        return ((x // period + y // period) % 2 * depth - depth // 2)[:, :, None]
    if kind == 2:
        return ((x + 2 * y) % period * depth // period - depth // 2)[:, :, None]
    return np.zeros((*image_hw, 1), dtype=np.int64)


def _lay_patches(rng: np.random.Generator, canvas: Image.Image) -> None:
    """Blend a few wide, faint quadrilaterals into the ground: shadows, tables, walls."""
    width, height = canvas.size
    for _ in range(int(rng.integers(1, 4))):
        corners = [
            (int(rng.integers(-width // 4, width * 5 // 4)), int(rng.integers(0, height)))
            for _ in range(4)
        ]
        tone = tuple(int(value) for value in rng.integers(60, 210, size=3))
        mask = Image.new("L", canvas.size)
        ImageDraw.Draw(mask).polygon(corners, fill=int(rng.integers(25, 70)))
        canvas.paste(tone, mask=mask)


def _mark(rng: np.random.Generator, pencil: ImageDraw.ImageDraw, image_wh: tuple[int, int]) -> None:
    """Draw one small mark, at most 13 pixels wide, in any colour."""
    x, y = int(rng.integers(image_wh[0])), int(rng.integers(image_wh[1]))
    colour = tuple(int(value) for value in rng.integers(30, 230, size=3))
    if rng.integers(3) == 0:
        colour = list(COLOURS.values())[rng.integers(len(COLOURS))]
    _MARKERS[rng.integers(len(_MARKERS))](rng, pencil, x, y, (colour[0], colour[1], colour[2]))


def _line(
    rng: np.random.Generator,
    pencil: ImageDraw.ImageDraw,
    x: int,
    y: int,
    colour: tuple[int, int, int],
) -> None:
    end = (x + int(rng.integers(-10, 11)), y + int(rng.integers(-10, 11)))
    pencil.line([(x, y), end], fill=colour, width=int(rng.integers(1, 4)))


def _blob(
    rng: np.random.Generator,
    pencil: ImageDraw.ImageDraw,
    x: int,
    y: int,
    colour: tuple[int, int, int],
) -> None:
    end = (x + int(rng.integers(2, 9)), y + int(rng.integers(2, 9)))
    pencil.ellipse([(x, y), end], fill=colour)


def _shard(
    rng: np.random.Generator,
    pencil: ImageDraw.ImageDraw,
    x: int,
    y: int,
    colour: tuple[int, int, int],
) -> None:
    corners = [(x + int(rng.integers(10)), y + int(rng.integers(10))) for _ in range(3)]
    pencil.polygon(corners, fill=colour)


def _corner(
    rng: np.random.Generator,
    pencil: ImageDraw.ImageDraw,
    x: int,
    y: int,
    colour: tuple[int, int, int],
) -> None:
    reach = int(rng.integers(4, 11))
    pencil.line([(x, y + reach), (x, y), (x + reach, y)], fill=colour, width=2)


_MARKERS: tuple[Marker, ...] = (_line, _blob, _shard, _corner)
