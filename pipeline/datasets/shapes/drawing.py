"""Drawing of one object: outline, paint, texture and light at four times the size, averaged.

Only integers are used, so that the pixels are equal on every machine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.datasets.shapes.outlines import OUTLINES, Part
from pipeline.datasets.shapes.vocabulary import CLASSES, COLOURS, TEXTURES, Attributes

SCALE = 4  # sub-pixels per pixel and axis
PAINTS = {"hole": 0, "body": 1, "dark": 2, "light": 3}
# cosine and sine of the tilt, in thousandths
TILTS = ((1000, 0), (995, 105), (995, -105), (978, 208), (978, -208), (956, 292), (956, -292))
LIGHTS = ((1, 1), (-1, 1), (1, 0), (0, 1))
GRAINS = ((1, 0), (0, 1), (1, 1), (1, -1))


@dataclass(frozen=True)
class Sketch:
    """Everything that determines the pixels of one object, except its place.

    Attributes:
        class_index: into `CLASSES`.
        attributes: colour, texture, size.
        longer_side_px: of the tight box.
        mirrored: left and right exchanged.
        stretch_percent: width against height, 100 as designed.
        tilt: index into `TILTS`.
        light: index into `LIGHTS`.
        grain: index into `GRAINS`, the direction of stripes.
        tint: added to each colour channel.
    """

    class_index: int
    attributes: Attributes
    longer_side_px: int
    mirrored: bool
    stretch_percent: int
    tilt: int
    light: int
    grain: int
    tint: tuple[int, int, int]


@dataclass(frozen=True)
class Drawing:
    """The pixels of one object.

    Attributes:
        colour_sums: colours summed over the covered sub-pixels of each pixel, int32 (h, w, 3).
        coverage: covered sub-pixels of each pixel, 0 to 16, int32 (h, w); no border is empty.
    """

    colour_sums: NDArray[np.int32]
    coverage: NDArray[np.int32]


def make_sketch(
    rng: np.random.Generator, class_index: int, size_name: str, longer_side_px: int
) -> Sketch:
    """Return a sketch with random colour, texture and pose, of a given class and size."""
    colour = list(COLOURS)[rng.integers(len(COLOURS))]
    texture = TEXTURES[(0, 0, 1, 2)[rng.integers(4)]]
    return Sketch(
        class_index,
        Attributes(colour, texture, size_name),
        longer_side_px,
        mirrored=bool(rng.integers(2)),
        stretch_percent=int(rng.integers(88, 113)),
        tilt=int(rng.integers(len(TILTS))),
        light=int(rng.integers(len(LIGHTS))),
        grain=int(rng.integers(len(GRAINS))),
        tint=(int(rng.integers(-14, 15)), int(rng.integers(-14, 15)), int(rng.integers(-14, 15))),
    )


def draw(sketch: Sketch) -> Drawing:
    """Return the object's pixels, cropped to its tight box."""
    paints = _paint_map(sketch)  # (H, W), a multiple of SCALE
    colours = _colours(sketch, paints)  # (H, W, 3)
    coverage = _block_sums((paints > 0).astype(np.int32)[:, :, None])[:, :, 0]  # (h, w)
    rows, columns = np.flatnonzero(coverage.any(axis=1)), np.flatnonzero(coverage.any(axis=0))
    tight = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return Drawing(_block_sums(colours * (paints > 0)[:, :, None])[tight], coverage[tight])


def paste(image: NDArray[np.int32], drawing: Drawing, left: int, top: int) -> None:
    """Draw an object over an image, in place; parts beyond the border are cut off.

    Args:
        image: int32 (H, W, 3), 0 to 255, changed.
        drawing: the object.
        left: column of the drawing's first column.
        top: row of the drawing's first row.
    """
    height, width = drawing.coverage.shape
    rows = slice(max(0, -top), min(height, image.shape[0] - top))
    columns = slice(max(0, -left), min(width, image.shape[1] - left))
    target = image[rows.start + top : rows.stop + top, columns.start + left : columns.stop + left]
    uncovered = SCALE * SCALE - drawing.coverage[rows, columns, None]
    target[:] = (drawing.colour_sums[rows, columns] + target * uncovered) // (SCALE * SCALE)


def _paint_map(sketch: Sketch) -> NDArray[np.uint8]:
    """Draw the outline; value = paint, 0 where there is nothing."""
    parts = OUTLINES[CLASSES[sketch.class_index]]
    points = [_placed(part, sketch) for part in parts]
    solid = np.concatenate(
        [p for p, part in zip(points, parts, strict=True) if part.paint != "hole"]
    )
    low, extent = solid.min(axis=0), np.ptp(solid, axis=0)
    side, longest = sketch.longer_side_px * SCALE - 1, int(extent.max())
    width, height = (int(value) * side // longest // SCALE * SCALE + SCALE for value in extent)
    canvas = Image.new("L", (width, height))
    pencil = ImageDraw.Draw(canvas)
    for part, at in zip(parts, points, strict=True):
        pixels = (at - low) * side // longest
        pencil.polygon([(int(x), int(y)) for x, y in pixels], fill=PAINTS[part.paint])
    return np.asarray(canvas)


def _placed(part: Part, sketch: Sketch) -> NDArray[np.int64]:
    """Return a part's points mirrored, stretched and tilted, int64 (n, 2), in 1/1000 units."""
    xy = np.array(part.points, dtype=np.int64) - 50
    x = (-xy[:, 0] if sketch.mirrored else xy[:, 0]) * sketch.stretch_percent
    y = xy[:, 1] * 100
    cosine, sine = TILTS[sketch.tilt]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1) // 100


def _colours(sketch: Sketch, paints: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the colour of every sub-pixel, int32 (H, W, 3), 0 to 255."""
    body = np.array(COLOURS[sketch.attributes.colour], dtype=np.int32) + sketch.tint
    dark, light = body * 55 // 100, body + (255 - body) * 60 // 100
    if sketch.attributes.colour == "black":
        dark, light = body + 45, body + 100
    accent = dark if sketch.attributes.colour in ("white", "yellow") else light
    table = np.stack([body, body, dark, light, accent])  # (5, 3)
    kinds = np.where((paints == 1) & _texture(sketch, paints.shape), 4, paints)
    shaded = table[kinds] * _shade(sketch, paints)[:, :, None] // 100
    return np.clip(shaded, 0, 255).astype(np.int32)


def _texture(sketch: Sketch, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where the second colour of a texture lies, (H, W)."""
    y, x = np.indices(shape)
    if sketch.attributes.texture == "striped":
        a, b = GRAINS[sketch.grain]
        period = max(5, sketch.longer_side_px * 2 // 9) * SCALE * (3 if a and b else 2) // 2
        return ((x * a + y * b) % period) * 2 >= period
    if sketch.attributes.texture == "dotted":
        period = max(6, sketch.longer_side_px // 4) * SCALE
        off = np.stack([x % period, (y + (x // period % 2) * (period // 2)) % period]) - period // 2
        return (off**2).sum(axis=0) * 9 < period**2
    return np.zeros(shape, dtype=np.bool_)


def _shade(sketch: Sketch, paints: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the light of every sub-pixel in percent: a slope, and a dark rim."""
    height, width = paints.shape
    y, x = np.indices(paints.shape)
    right, down = LIGHTS[sketch.light]
    slope = right * (2 * x - width) * 100 // width + down * (2 * y - height) * 100 // height
    solid = np.pad(paints > 0, 3)
    inner = solid[:-6, 3:-3] & solid[6:, 3:-3] & solid[3:-3, :-6] & solid[3:-3, 6:]
    return np.where(inner, 100 - slope * 18 // 100, 58)


def _block_sums(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sum blocks of SCALE x SCALE: (H, W, C) -> (H/SCALE, W/SCALE, C)."""
    height, width, channels = values.shape
    blocks = values.reshape(height // SCALE, SCALE, width // SCALE, SCALE, channels)
    return blocks.sum(axis=(1, 3), dtype=np.int32)
