"""Pictures that cost a reader what photographs cost."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE_WH = (500, 375)  # of most of Flickr30K's


def write_picture(path: Path, number: int, size_wh: tuple[int, int] = SIZE_WH) -> Path:
    """Write a JPEG of 80 kB or, of smaller sizes, less: noise of 5 px, smoothed.

    Args:
        path: its folder is made.
        number: tells pictures apart.
        size_wh: width and height in pixels.
    """
    width, height = size_wh
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (-(-height // 5), -(-width // 5), 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size_wh, Image.Resampling.BICUBIC).save(path, quality=90)
    return path
