import numpy as np
import pytest
from PIL import Image

from pipeline.images.images import image_hw_of, read_image, whole_image_hw

SUFFIXES = ["avif", "bmp", "dib", "gif", "jpg", "jp2", "png", "ppm", "tga", "tiff", "webp"]
RAMPS = np.stack(np.broadcast_arrays(*np.ogrid[40:180:11j, 30:220:17j], 90), axis=2)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("is_named", [True, False])
def test_a_picture_of_every_format_is_read_whatever_its_name(tmp_path, suffix, is_named):
    path = tmp_path / f"a.{suffix if is_named else 'x'}"
    shown = RAMPS.astype(np.uint8)
    Image.fromarray(shown).save(path, Image.registered_extensions()[f".{suffix}"])
    np.testing.assert_allclose(read_image(path), shown, atol=30)  # some are lossy
    assert image_hw_of(path) == whole_image_hw(path) == (11, 17)
