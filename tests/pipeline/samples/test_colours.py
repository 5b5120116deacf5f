import colorsys
from itertools import product

import numpy as np
import pytest

from pipeline.samples.colours import RANGES, colour_shares, has_colour, to_hsv

H, W = 7, 11
# the colours that CSS gives these names
CSS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
    "red": (255, 0, 0),
    "orange": (255, 165, 0),
    "brown": (165, 42, 42),
    "yellow": (255, 255, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "purple": (128, 0, 128),
    "pink": (255, 192, 203),
}
FAR = {  # names that nobody would give them
    "black": {"white", "gray", "red", "blue"},
    "white": {"black", "gray", "yellow", "pink"},
    "gray": {"black", "white", "blue", "brown"},
    "red": {"green", "blue", "yellow", "black", "white", "brown"},
    "orange": {"red", "green", "blue", "brown", "pink"},
    "brown": {"white", "gray", "green", "blue", "yellow"},
    "yellow": {"red", "green", "blue", "white", "brown"},
    "green": {"red", "blue", "yellow", "black", "gray"},
    "blue": {"red", "green", "purple", "black", "gray"},
    "purple": {"red", "green", "blue", "black", "pink"},
    "pink": {"green", "blue", "white", "gray", "yellow", "red"},
}


def pixel(rgb):
    return np.array(rgb, np.float32).reshape(3, 1, 1) / np.float32(255)


def all_image(height=H, width=W):
    return np.ones((height, width), np.bool_)


def test_hsv_is_that_of_the_standard_library():
    image = np.random.default_rng(0).random((3, H, W), np.float32)
    image[:, 0, :4] = 0.3, 0.3, 0.3, 0.3
    image[:, 1, :3] = np.eye(3)
    image[:, 2, 0] = 0
    expected = [
        [colorsys.rgb_to_hsv(*image[:, y, x].astype(float)) for x in range(W)] for y in range(H)
    ]
    expected = np.moveaxis(np.array(expected), -1, 0) * np.array([360.0, 1, 1]).reshape(3, 1, 1)
    found = to_hsv(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CSS)
def test_the_colour_that_everyone_calls_so_is_called_so(name):
    hsv = to_hsv(pixel(CSS[name]))
    assert has_colour(hsv, [name]).all()
    assert not has_colour(hsv, FAR[name]).any()


@pytest.mark.parametrize(
    ("name", "rgb"), [("black", (0, 0, 40)), ("white", (225, 235, 250)), ("gray", (120, 130, 125))]
)
def test_what_is_almost_without_colour_is_so_in_any_hue(name, rgb):
    assert has_colour(to_hsv(pixel(rgb)), [name]).all()


def test_reds_lie_on_both_sides_of_hue_zero():
    for rgb in ((200, 20, 40), (200, 40, 20)):
        assert has_colour(to_hsv(pixel(rgb)), ["red"]).all()


@pytest.mark.parametrize("name", RANGES)
def test_the_ends_of_a_range_have_its_colour_and_what_lies_beyond_has_not(name):
    colour = RANGES[name]
    ranges = (colour.hue, colour.saturation, colour.value)
    ends = np.array([*product(*ranges)], np.float32).T[..., None]  # (3, 8, 1)
    assert has_colour(ends, [name]).all()
    for channel, (low, high) in enumerate(ranges):
        if channel or high - low != 360:
            beyond = ends[:, :2].copy()
            beyond[channel, :, 0] = low - 0.01, high + 0.01
            assert not has_colour(beyond, [name]).any()


def test_black_and_white_is_what_is_either():
    hsv = np.concatenate([to_hsv(pixel(CSS[name])) for name in ("black", "red", "white")], axis=2)
    assert has_colour(hsv, ["black", "white"]).tolist() == [[True, False, True]]


def drawn():
    """Return a picture of green but for a red part, rows 1 to 3 and columns 2 to 6."""
    image = np.zeros((3, H, W), np.uint8)
    image[1] = 128
    image[:, 1:4, 2:7] = np.array([230, 26, 26]).reshape(3, 1, 1)
    return image


def test_shares_of_boxes_drawn_by_hand():
    boxes = np.array(
        [[2, 1, 7, 4], [0, 0, W, H], [7, 4, 11, 7], [1.5, 0.5, 2.5, 3.5], [6.25, 3, 8.25, 5]],
        np.float32,
    )
    found = colour_shares(
        drawn(), all_image(), ["a red cup", "cup", "green", "red and green"], boxes
    )
    red = [1, 15 / 77, 0, (0.5 * 2.5) / 3, 0.75 / 4]
    np.testing.assert_allclose(found[0], red, rtol=1e-6)
    assert found[1].tolist() == [0] * 5
    np.testing.assert_allclose(found[2], 1 - np.array(red), rtol=1e-6)
    np.testing.assert_allclose(found[3], 1, rtol=1e-6)
    assert found.dtype == np.float32


def test_padding_has_no_colour():
    image, real = np.zeros((3, H, W), np.uint8), all_image()
    real[:, 5:] = False
    found = colour_shares(image, real, ["a black cup"], np.array([[4, 0, 8, 7]], np.float32))
    np.testing.assert_allclose(found, [[0.25]])


def test_no_boxes_and_a_box_without_area_and_a_one_pixel_box():
    point = np.array([[3, 2, 3, 2], [3, 2, 3, 5], [3, 2, 4, 3]], np.float32)
    assert colour_shares(drawn(), all_image(), ["red"], point).tolist() == [[0, 0, 1]]
    assert colour_shares(drawn(), all_image(), ["red", "cup"], point[:0]).shape == (2, 0)
