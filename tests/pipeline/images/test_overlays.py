import numpy as np
import pytest

from pipeline.images.overlays import RAMP, TINT_SHARE, map_over_image, tint


@pytest.mark.parametrize("image_hw", [(6, 15), (15, 6)])
def test_a_map_covers_the_square_of_which_the_picture_is_the_top_left(image_hw):
    cells = np.arange(25, dtype=np.float32).reshape(5, 5) / 24
    rows, columns = (np.clip((np.arange(side) + 0.5) / 3 - 0.5, 0, 4) for side in image_hw)
    expected = (5 * rows[:, None] + columns[None]) / 24  # bilinear, cells of 3 pixels
    np.testing.assert_allclose(map_over_image(cells, image_hw), expected, atol=1e-5)


def test_a_tint_mixes_the_ramp_with_the_grey_picture():
    image = np.full((1, 5, 3), 100, np.uint8)
    shares = np.array([[0.0, 0.25, 0.5, 0.75, 1.0]])
    blue, red, yellow = RAMP
    ramp = np.array([blue, (blue + red) / 2, red, (red + yellow) / 2, yellow])
    expected = TINT_SHARE * ramp + (1 - TINT_SHARE) * 100
    np.testing.assert_allclose(tint(image, shares)[0], expected, atol=1)
    assert blue.argmax() == 2
    assert red.argmax() == 0
    assert yellow.argmin() == 2


def test_a_tinted_picture_has_no_colour_of_its_own():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    luma = np.array([0.299, 0.587, 0.114]) * 255  # ITU-R BT.601
    expected = TINT_SHARE * RAMP[0] + (1 - TINT_SHARE) * luma[:, None]
    np.testing.assert_allclose(tint(colours, np.zeros((1, 3)))[0], expected, atol=1)
