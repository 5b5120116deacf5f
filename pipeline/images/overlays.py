"""Maps laid over pictures.

Shapes: (h, w) cells of a map over the padded square around a picture of (H, W) pixels.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STOPS = (0.0, 0.5, 1.0)
RAMP = np.array([[25, 30, 120], [200, 45, 110], [255, 225, 60]])  # RGB at each of STOPS
TINT_SHARE = 0.6


def map_over_image(cells: NDArray[np.floating], image_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map in the picture's pixels, bilinear, in [0, 1], float32 (H, W).

    Args:
        cells: in [0, 1], over the square whose top left part is the picture and whose side is the
            picture's longer one (h, w).
        image_hw: height and width of the picture.
    """
    height, width = image_hw
    square = Image.fromarray(np.asarray(cells, np.float32)).resize(
        (max(image_hw),) * 2, Image.Resampling.BILINEAR
    )
    return np.asarray(square.crop((0, 0, width, height)), np.float32).clip(0, 1)


def tint(image: NDArray[np.uint8], shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a grey picture under a map: blue where it is 0, yellow where it is 1.

    Args:
        image: RGB, uint8 (H, W, 3).
        shares: in [0, 1], real (H, W).

    Returns:
        RGB, uint8 (H, W, 3).
    """
    colours = np.stack([np.interp(shares, STOPS, channel) for channel in RAMP.T], axis=-1)
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)[..., None]  # (H, W, 1)
    mixed = TINT_SHARE * colours + (1 - TINT_SHARE) * grey  # (H, W, 3)
    return mixed.astype(np.uint8)
