import numpy as np
import pytest
from scipy import ndimage

from pipeline.geometry.cam_boxes import resize_cam, sums_inside, threshold_box
from tests.oracles import grounding_loops as loops


def drawn(*rows):
    return np.array([[int(cell) for cell in row] for row in rows], float)


def test_resizing_interpolates_between_cell_centres():
    cam = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float16)
    expected = loops.resize_bilinear(cam.astype(float), 17, 29)
    np.testing.assert_allclose(resize_cam(cam, (17, 29)), expected, atol=1e-9)


def test_the_box_surrounds_the_largest_part_not_the_highest():
    heights = drawn("0900000", "0000550", "0000500", "0000000")
    assert threshold_box(heights, 0.5).tolist() == [4, 1, 6, 3]


def test_parts_that_touch_at_a_corner_only_are_apart():
    heights = drawn("11000", "11000", "00111", "00100")
    assert threshold_box(heights, 1.0).tolist() == [0, 0, 2, 2]


def test_a_part_may_join_late_around_a_corner():
    heights = drawn("10101", "10101", "11111", "00000", "11011")
    assert threshold_box(heights, 0.4).tolist() == [0, 0, 5, 3]


def test_one_pixel_is_a_box_of_one_pixel():
    assert threshold_box(drawn("000", "010"), 0.4).tolist() == [1, 1, 2, 2]


def test_of_equally_large_parts_the_one_whose_first_pixel_comes_first_counts():
    assert threshold_box(drawn("00011", "11000"), 0.4).tolist() == [3, 0, 5, 1]
    assert threshold_box(drawn("01011", "01001", "01000"), 0.4).tolist() == [1, 0, 2, 3]


def test_the_peak_is_reached_where_the_threshold_rounds_to_more_than_it():
    heights = np.array([[-5.7, 6.9, -5.7]])
    assert -5.7 + (6.9 + 5.7) > 6.9
    assert threshold_box(heights, 1.0).tolist() == [1, 0, 2, 1]


def test_a_map_without_anything_positive_has_no_box():
    assert threshold_box(np.zeros((3, 5)), 0.4) is None
    assert threshold_box(np.array([[-3.0, -1.0, -2.0]]), 0.4) is None


def test_the_threshold_is_a_share_of_the_range_and_not_of_the_peak():
    heights = np.array([[-6.0, -1.0, 0.0, 4.0, -2.0, -6.0]])  # 40 % of -6 to 4 is -2
    assert threshold_box(heights, 0.4).tolist() == [1, 0, 5, 1]


@pytest.mark.parametrize("seed", range(12))
def test_the_box_equals_a_flood_fill_on_noise(seed):
    heights = np.random.default_rng(seed).random((19, 31)) ** 2
    mask = heights >= heights.min() + 0.2 * (heights.max() - heights.min())
    sizes = np.bincount(ndimage.label(mask)[0].ravel())[1:]
    assert (sizes == sizes.max()).sum() == 1  # else either part would be right
    assert threshold_box(heights, 0.2).tolist() == loops.largest_part(mask)


def test_sums_are_exact_at_fractional_corners():
    rng = np.random.default_rng(2)
    heights = rng.random((11, 13))
    boxes = np.concatenate(
        [np.sort(rng.uniform(0, 1, (7, 2, 2)), axis=1) * (13, 11)], axis=0
    ).reshape(7, 4)
    expected = [loops.volume_inside(heights, box) for box in boxes]
    np.testing.assert_allclose(sums_inside(heights, boxes), expected, atol=1e-9)


def test_the_whole_image_holds_the_whole_volume_and_a_line_none():
    heights = drawn("123", "456")
    boxes = np.array([[0, 0, 3, 2], [1.5, 0, 1.5, 2]])
    assert sums_inside(heights, boxes).tolist() == [21, 0]
