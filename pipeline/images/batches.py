"""Images in batches of one size for a frozen network: squashed, and padded to a full batch.

A network's last bits depend on how many images share a pass, so every batch has the same number.

Shapes: B images of a batch, S pixels.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.images.images import read_image


@dataclass(frozen=True)
class ImageBatch:
    """A full batch.

    Attributes:
        images: RGB in [0, 1], float32 (B, 3, S, S); those that fill up the batch are black.
        num_real: how many, from the first on, are images.
    """

    images: NDArray[np.float32]
    num_real: int


def image_batches(
    files: Sequence[Path], image_px: int, batch_images: int, workers: int
) -> Iterator[ImageBatch]:
    """Yield the images in order, at least one batch, the last one filled up.

    Args:
        files: pictures.
        image_px: S; each image is squashed to a square of this side.
        batch_images: B.
        workers: threads that read and resize.

    Raises:
        BadImageError: a file cannot be read.
    """
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, max(1, len(files)), batch_images):
            some = files[start : start + batch_images]
            images = np.zeros((batch_images, 3, image_px, image_px), np.float32)  # (B, 3, S, S)
            for slot, pixels in enumerate(pool.map(read_squashed, some, [image_px] * len(some))):
                images[slot] = pixels
            yield ImageBatch(images, len(some))


def read_squashed(file: Path, image_px: int) -> NDArray[np.float32]:
    """Return a picture squashed to a square, RGB in [0, 1], float32 (3, S, S).

    Raises:
        BadImageError: the file cannot be read.
    """
    return squash(read_image(file), image_px)


def squash(pixels: NDArray[np.uint8], image_px: int) -> NDArray[np.float32]:
    """Return RGB uint8 (H, W, 3) squashed to a square, RGB in [0, 1], float32 (3, S, S)."""
    picture = Image.fromarray(pixels)
    square = picture.resize((image_px, image_px), Image.Resampling.BILINEAR)
    return np.asarray(square, np.float32).transpose(2, 0, 1) / np.float32(255)
