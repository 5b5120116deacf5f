import numpy as np
import pytest

from pipeline.images.overlays import RAMP, TINT_SHARE, map_over_image, tint


@pytest.mark.parametrize("image_hw", [(6, 15), (15, 6)])
def test_a_map_covers_the_square_of_which_the_picture_is_the_top_left(image_hw):
    cells = np.arange(25, dtype=np.float32).reshape(5, 5) / 24
    rows, columns = (np.clip((np.arange(side) + 0.5) / 3 - 0.5, 0, 4) for side in image_hw)
    expected = (5 * rows[:, None] + columns[None]) / 24  # bilinear, cells of 3 pixels
    np.testing.assert_allclose(map_over_image(cells, image_hw), expected, atol=1e-5)


def test_a_tint_mixes_the_ends_of_the_ramp_with_the_grey_picture():
    image = np.full((1, 2, 3), 100, np.uint8)
    expected = TINT_SHARE * RAMP[[0, 2]] + (1 - TINT_SHARE) * 100
    np.testing.assert_allclose(tint(image, np.array([[0.0, 1.0]]))[0], expected, atol=1)
