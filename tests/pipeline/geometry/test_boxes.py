import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry.boxes import (
    Affine,
    Placement,
    box_areas,
    boxes_in_image,
    clip_boxes,
    letterbox,
    whole_window,
)


def test_a_wide_image_fills_the_width_of_the_square_and_lies_at_its_top():
    placement = letterbox(whole_window((200, 400)), 100)
    assert placement.content_hw == (50, 100)
    boxes = placement.affine.boxes(np.array([[40.0, 20.0, 400.0, 200.0]]))
    np.testing.assert_allclose(boxes, [[10, 5, 100, 50]])


def test_content_begins_at_its_offset_and_ends_after_its_width_and_height():
    assert Placement((0.0, 0.0, 9.0, 9.0), (5, 11), False, (2, 3)).content_xyxy == (2, 3, 13, 8)


def test_a_window_is_moved_to_the_corner_before_it_is_scaled():
    placement = letterbox((30.0, 10.0, 50.0, 20.0), 64)
    assert placement.content_hw == (32, 64)
    boxes = placement.affine.boxes(np.array([[35.0, 12.0, 45.0, 15.0]]))
    np.testing.assert_allclose(boxes, [[16, 6.4, 48, 16]], rtol=1e-6)
    mirrored = letterbox((30.0, 10.0, 50.0, 20.0), 64, flip=True)
    boxes = mirrored.affine.boxes(np.array([[33.0, 12.0, 45.0, 15.0]]))
    np.testing.assert_allclose(boxes, [[16, 6.4, 54.4, 16]], rtol=1e-6)


def test_a_mirrored_box_keeps_its_left_corner_left_of_its_right_corner():
    placement = letterbox(whole_window((50, 100)), 100, flip=True)
    boxes = placement.affine.boxes(np.array([[10.0, 5.0, 30.0, 20.0]]))
    np.testing.assert_allclose(boxes, [[70, 5, 90, 20]])


def test_content_that_does_not_come_out_whole_is_stretched_to_whole_pixels():
    placement = letterbox(whole_window((333, 500)), 96)
    assert placement.content_hw == (64, 96)
    corner = placement.affine.boxes(np.array([0.0, 0.0, 500.0, 333.0]))
    np.testing.assert_allclose(corner, [0, 0, 96, 64], rtol=1e-6)


def test_a_very_thin_image_keeps_one_pixel():
    assert letterbox(whole_window((1, 1000)), 96).content_hw == (1, 96)
    assert letterbox(whole_window((1000, 1)), 96).content_hw == (96, 1)


def test_undoing_a_map_with_unequal_scales_is_not_undoing_one_of_its_scales():
    affine = Affine(2.0, -0.5, 3.0, 7.0)
    boxes = affine.inverse().boxes(np.array([[3.0, 7.0, 5.0, 6.0]]))
    np.testing.assert_allclose(boxes, [[0, 0, 1, 2]])


def test_boxes_return_to_the_original_image_and_are_clipped_there():
    boxes = boxes_in_image(np.array([[10.0, 5.0, 120.0, 60.0], [0, 0, 50, 25]]), (200, 400), 100)
    np.testing.assert_allclose(boxes, [[40, 20, 400, 200], [0, 0, 200, 100]], rtol=1e-6)


@given(
    st.tuples(st.integers(7, 900), st.integers(7, 900)),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_a_box_goes_into_the_square_and_back(image_hw, shares):
    x1, x2 = sorted((shares[0] * image_hw[1], shares[1] * image_hw[1]))
    y1, y2 = sorted((shares[2] * image_hw[0], shares[3] * image_hw[0]))
    box = np.array([[x1, y1, x2, y2]])
    there = letterbox(whole_window(image_hw), 192).affine.boxes(box)
    np.testing.assert_allclose(boxes_in_image(there, image_hw, 192), box, atol=2e-3)


def test_clipping_limits_x_by_the_width_and_y_by_the_height():
    clipped = clip_boxes(np.array([[-1.0, -2.0, 90.0, 90.0]]), (31, 57))
    np.testing.assert_array_equal(clipped, [[0, 0, 57, 31]])


@pytest.mark.parametrize(("box", "area"), [([1, 2, 4, 9], 21.0), ([4, 2, 1, 9], 0.0)])
def test_the_area_of_a_reversed_box_is_zero(box, area):
    assert box_areas(np.array([box]))[0] == area


def test_no_boxes_stay_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert boxes_in_image(none, (5, 7), 64).shape == (0, 4)
    assert box_areas(none).shape == (0,)
