"""TransVG's training transforms with PIL, as its paper and its settings order them.

One choice of two: resize the longer side to one of seven lengths; or resize the shorter side to
400, 500 or 600, crop 384 to 600 pixels of each side that keep the box, then the former. After that
brightness, contrast and saturation by up to 40 %, a mirror by half a chance, a tensor, ImageNet's
normalisation, and padding to the square at a random place. The box goes along.
(https://arxiv.org/abs/2104.08541, https://github.com/djiajunustc/TransVG)
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from benchmarks.made.networks import MEAN, STD

SHORT_SIDES, CROP_SIDES, LONG_SIDES, LONG_STEP = (400, 500, 600), (384, 600), 7, 32
JITTER, JITTER_CHANCE, HALF = 0.4, 0.8, 0.5
_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
_MEAN, _STD = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))


@dataclass(frozen=True)
class Example:
    """A picture and the box of its phrase, (x1, y1, x2, y2) in pixels."""

    image: Image.Image
    box: np.ndarray


def load_sample(path: Path, box: np.ndarray, image_px: int, rng: np.random.Generator) -> Tensor:
    """Return one training picture, float32 (4, S, S): normalised RGB, and 1 where padded."""
    with Image.open(path) as file:
        example = Example(file.convert("RGB"), box)
    if rng.random() < HALF:
        example = resize_short(example, int(rng.choice(SHORT_SIDES)))
        example = crop(example, rng)
    example = resize_long(example, image_px - LONG_STEP * int(rng.integers(LONG_SIDES)))
    example = replace(example, image=jitter(example.image, rng))
    if rng.random() < HALF:
        example = mirror(example)
    return pad(normalise(example.image), image_px, rng)


def resize_short(example: Example, side: int) -> Example:
    """Resize so that the shorter side is so long."""
    return _resized(example, side / min(example.image.size))


def resize_long(example: Example, side: int) -> Example:
    """Resize so that the longer side is so long."""
    return _resized(example, side / max(example.image.size))


def _resized(example: Example, scale: float) -> Example:
    width, height = (max(1, round(side * scale)) for side in example.image.size)
    image = example.image.resize((width, height), Image.Resampling.BILINEAR)
    return Example(image, example.box * scale)


def crop(example: Example, rng: np.random.Generator) -> Example:
    """Cut a part out that holds the centre of the box."""
    (width, height), (low, high) = example.image.size, CROP_SIDES
    wide, tall = (int(rng.integers(low, max(low, min(side, high)) + 1)) for side in (width, height))
    wide, tall = min(wide, width), min(tall, height)
    centre_x, centre_y = (example.box[:2] + example.box[2:]) / 2
    left = _start_around(float(centre_x), wide, width, rng)
    top = _start_around(float(centre_y), tall, height, rng)
    cut = example.image.crop((left, top, left + wide, top + tall))
    return Example(cut, np.clip(example.box - [left, top, left, top], 0, [wide, tall] * 2))


def _start_around(centre: float, length: int, whole: int, rng: np.random.Generator) -> int:
    first, last = max(0, int(centre) - length + 1), min(whole - length, int(centre))
    return int(rng.integers(min(first, last), max(first, last) + 1))


def jitter(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change brightness, contrast and saturation in random order, four times in five."""
    if rng.random() >= JITTER_CHANCE:
        return image
    for step in rng.permutation(len(_ENHANCERS)):
        image = _ENHANCERS[step](image).enhance(float(rng.uniform(1 - JITTER, 1 + JITTER)))
    return image


def mirror(example: Example) -> Example:
    """Swap left and right."""
    x1, y1, x2, y2 = example.box
    width = example.image.width
    image = example.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Example(image, np.array([width - x2, y1, width - x1, y2]))


def normalise(image: Image.Image) -> Tensor:
    """Return RGB minus ImageNet's mean, over its deviation, float32 (3, H, W)."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return pixels.float().div(255).sub(_MEAN).div(_STD)


def pad(image: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """Return the picture somewhere in a square, with a mask of the padding, float32 (4, S, S)."""
    height, width = image.shape[-2:]
    top, left = (int(rng.integers(side - length + 1)) for length in (height, width))
    square = torch.zeros(4, side, side)
    square[3] = 1
    square[:3, top : top + height, left : left + width] = image
    square[3, top : top + height, left : left + width] = 0
    return square
