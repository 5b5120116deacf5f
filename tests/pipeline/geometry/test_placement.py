import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.geometry.boxes import Placement, letterbox, whole_window
from pipeline.geometry.placement import (
    cam_mass,
    content_cells,
    pad_to_square,
    place_boxes,
    place_cams,
    place_image,
    scale_to_unit,
    windows_of,
)


def drawn_rectangle(image_hw, box):
    image = np.zeros((*image_hw, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = (255, 128, 0)
    return image


def extent(content):
    rows, columns = np.nonzero(content[0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("corner", [(0, 0), (9, 23)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("window", [(0.0, 0.0, 110.0, 70.0), (13.0, 5.0, 95.0, 66.0)])
def test_a_drawn_rectangle_follows_its_image(flip, window, corner):
    placement = replace(letterbox(window, 96, flip), offset_xy=corner)
    content = place_image(drawn_rectangle((70, 110), (31, 17, 67, 58)), placement)
    square = pad_to_square(content, 128, corner)
    box = placement.affine.boxes(np.array([31.0, 17.0, 67.0, 58.0]))
    np.testing.assert_allclose(extent(square), box, atol=1.0)
    placed, _ = place_boxes(np.array([[31.0, 17.0, 67.0, 58.0]], np.float32), placement)
    np.testing.assert_allclose(placed[0], box, atol=1e-4)


def test_an_image_of_the_right_size_is_not_resampled():
    image = np.random.default_rng(0).integers(0, 256, (31, 64, 3), np.uint8)
    content = place_image(image, letterbox(whole_window((31, 64)), 64))
    np.testing.assert_array_equal(content, image.transpose(2, 0, 1))


@pytest.mark.parametrize("long_side", [173, 53, 19])
def test_an_image_is_resized_as_pillow_does_but_for_the_last_bit_of_some_bytes(long_side):
    image = np.random.default_rng(0).integers(0, 256, (67, 89, 3), np.uint8)
    placement = letterbox(whole_window((67, 89)), long_side)
    height, width = placement.content_hw
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    found = place_image(image, placement).transpose(1, 2, 0).astype(int)
    difference = np.abs(found - np.asarray(resized))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_an_image_may_be_a_view_that_runs_backwards_or_cannot_be_written():
    image = np.random.default_rng(0).integers(0, 256, (31, 64, 3), np.uint8)
    placement = letterbox(whole_window((31, 64)), 48)
    expected = place_image(image[:, ::-1].copy(), placement)
    np.testing.assert_array_equal(place_image(image[:, ::-1], placement), expected)
    image.flags.writeable = False
    with warnings.catch_warnings(action="error"):
        place_image(image, placement)


def test_nothing_outside_a_window_shines_in():
    image = np.zeros((31, 64, 3), np.uint8)
    image[5:20, 9:40] = 200
    content = place_image(image, letterbox((9.0, 5.0, 40.0, 20.0), 96))
    assert (content == 200).all()


def test_a_mirror_turns_columns_around():
    image = np.random.default_rng(0).integers(0, 256, (31, 64, 3), np.uint8)
    plain, mirrored = (
        place_image(image, letterbox(whole_window((31, 64)), 64, flip)) for flip in (False, True)
    )
    np.testing.assert_array_equal(mirrored, plain[..., ::-1])


def test_padding_lies_right_and_below_and_is_zero():
    square = pad_to_square(np.ones((2, 3, 5), np.float32), 7)
    assert square.shape == (2, 7, 7)
    assert square[:, :3, :5].all()
    assert square.sum() == 2 * 3 * 5


def test_a_box_cut_to_little_is_dropped_and_one_outside_the_cut_stays():
    boxes = np.array(
        [[50, 0, 100, 50], [0, 0, 50, 50], [40, 0, 90, 50], [70, 40, 71, 41]], np.float32
    )
    placed, kept = place_boxes(boxes, letterbox((40.0, 0.0, 104.0, 64.0), 64))
    np.testing.assert_array_equal(kept, [0, 2, 3])  # box 1 keeps 20 % of its area
    np.testing.assert_allclose(placed, [[10, 0, 60, 50], [0, 0, 50, 50], [30, 40, 31, 41]])


@pytest.mark.parametrize(
    "sliver", [[36, 10, 47, 30], [97, 10, 108, 30], [50, 6, 70, 17], [50, 67, 70, 78]]
)  # 7 of 11 px are left
def test_a_box_cut_to_a_sliver_is_dropped_even_if_much_of_it_is_left(sliver):
    boxes = np.array([sliver, [50, 20, 60, 30]], np.float32)
    _, kept = place_boxes(boxes, letterbox((40.0, 10.0, 104.0, 74.0), 64))
    np.testing.assert_array_equal(kept, [1])


def test_a_box_of_which_just_enough_is_left_stays():
    boxes = np.array([[5, 0, 55, 50], [36, 0, 48, 30], [50, 0, 60, 30]], np.float32)
    _, kept = place_boxes(boxes, letterbox((40.0, 0.0, 104.0, 64.0), 64))
    np.testing.assert_array_equal(kept, [0, 1, 2])  # 15 of 50 px are left, then 8 of 12


def test_when_all_boxes_would_be_dropped_the_least_cut_stays():
    boxes = np.array([[0, 0, 41, 10], [0, 0, 44, 10], [0, 0, 42, 10]], np.float32)
    placed, kept = place_boxes(boxes, letterbox((40.0, 0.0, 104.0, 64.0), 64))
    np.testing.assert_array_equal(kept, [1])
    np.testing.assert_allclose(placed, [[0, 0, 4, 10]])


def test_boxes_are_cut_where_the_moved_content_ends():
    placement = replace(letterbox((40.0, 0.0, 104.0, 64.0), 64), offset_xy=(7, 11))
    placed, _ = place_boxes(np.array([[20, 4, 90, 99]], np.float32), placement)
    np.testing.assert_allclose(placed, [[7, 15, 57, 75]])


def test_no_boxes_stay_none():
    placed, kept = place_boxes(np.zeros((0, 4), np.float32), letterbox((0.0, 0.0, 9.0, 5.0), 64))
    assert placed.shape == (0, 4)
    assert len(kept) == 0


def slow_cams(maps, image_hw, placement, stride):
    """Bilinear between cell centres, edges held, one cell at a time."""
    height, width = maps.shape[1:]
    x1, y1, x2, y2 = placement.content_xyxy
    rows = [row for row in range(20) if y1 <= (row + 0.5) * stride < y2]
    columns = [column for column in range(20) if x1 <= (column + 0.5) * stride < x2]
    placed = np.zeros((len(maps), len(rows), len(columns)))
    for row in rows:
        for column in columns:
            centre = np.array([(column + 0.5) * stride, (row + 0.5) * stride] * 2)
            x, y = placement.affine.inverse().boxes(centre)[:2].astype(np.float64)
            u = np.clip(x / image_hw[1] * width - 0.5, 0, width - 1)
            v = np.clip(y / image_hw[0] * height - 0.5, 0, height - 1)
            left, top = min(int(u), width - 2), min(int(v), height - 2)
            a, b = u - left, v - top
            cells = np.maximum(maps[:, top : top + 2, left : left + 2], 0).astype(np.float64)
            weights = np.outer([1 - b, b], [1 - a, a])
            found = (cells * weights).sum(axis=(1, 2))
            placed[:, row - rows[0], column - columns[0]] = found
    return placed


@pytest.mark.parametrize("corner", [(0, 0), (19, 45)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("window", [(0.0, 0.0, 210.0, 130.0), (41.0, 9.0, 190.0, 127.0)])
def test_maps_are_looked_up_at_the_cell_centres(flip, window, corner):
    maps = np.random.default_rng(1).normal(size=(3, 5, 7)).astype(np.float16)
    placement = replace(letterbox(window, 224, flip), offset_xy=corner)
    placed = place_cams(maps, (130, 210), placement, 32)
    np.testing.assert_allclose(placed, slow_cams(maps, (130, 210), placement, 32), atol=2e-5)


def test_a_map_on_the_same_grid_is_unchanged():
    maps = np.random.default_rng(1).random((2, 6, 6), np.float32)
    placed = place_cams(maps, (40, 40), letterbox(whole_window((40, 40)), 192), 32)
    np.testing.assert_allclose(placed, maps, atol=1e-6)


def test_maps_cover_only_cells_whose_centre_is_content_and_at_least_one():
    maps = np.ones((1, 4, 4), np.float32)
    assert place_cams(maps, (100, 192), letterbox(whole_window((100, 192)), 192), 32).shape == (
        1,
        3,
        6,
    )
    thin = letterbox(whole_window((2, 192)), 192)
    assert place_cams(maps, (2, 192), thin, 32).shape == (1, 1, 6)
    assert content_cells(replace(thin, offset_xy=(0, 44)), 32) == (range(6), range(1, 2))


def test_the_mass_of_a_map_in_a_proposal_survives_a_mirror():
    maps = np.random.default_rng(2).random((3, 7, 7), np.float32)
    boxes = np.array([[20, 11, 70, 90], [0, 0, 101, 60]], np.float32)
    masses = []
    for flip in (False, True):
        placement = letterbox(whole_window((101, 101)), 160, flip)
        placed = place_cams(maps, (101, 101), placement, 32)
        masses.append(cam_mass(placed, windows_of(place_boxes(boxes, placement)[0], (160, 160))))
    np.testing.assert_allclose(*masses, rtol=1e-5)
    assert masses[0].min() > 0


def test_mass_counts_cut_cells_in_part_and_negative_cells_not_at_all():
    maps = np.array([[[1, 2, -5], [4, 8, 16]]], np.float32)
    mass = cam_mass(maps, np.array([[0, 0, 1, 1], [1 / 6, 0.5, 0.5, 1], [0.5, 0.25, 1, 0.5]]))
    np.testing.assert_allclose(mass, [[31, 0.5 * 4 + 0.5 * 8, 0.5 * 0.5 * 2]], rtol=1e-6)


def test_boxes_are_shares_of_the_width_and_the_height():
    found = windows_of(np.array([[2.0, 3.0, 7.0, 13.0]]), (13, 23))
    np.testing.assert_allclose(found, [[2 / 23, 3 / 13, 7 / 23, 1]], rtol=1e-6)


def test_maps_are_stretched_each_by_its_own_range():
    maps = np.array([[[1, 3], [2, 5]], [[0, 0], [0, 0]], [[7, 7], [7, 7]]], np.float32)
    np.testing.assert_allclose(
        scale_to_unit(maps), [[[0, 0.5], [0.25, 1]], np.zeros((2, 2)), np.zeros((2, 2))]
    )


CORNERS, SIDES = st.floats(0, 200, width=32), st.floats(16, 300, width=32)


@st.composite
def placements(draw):
    """Any window of any image, scaled by unequal factors, mirrored or not, anywhere."""
    left, top, width, height = draw(CORNERS), draw(CORNERS), draw(SIDES), draw(SIDES)
    content_hw = draw(st.tuples(st.integers(1, 256), st.integers(1, 256)))
    offset_xy = draw(st.tuples(st.integers(0, 99), st.integers(0, 99)))
    window = (left, top, left + width, top + height)
    return Placement(window, content_hw, draw(st.booleans()), offset_xy)


SHARES = st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), min_size=1, max_size=5)


def boxes_in(window, shares):
    """Return boxes whose corners are shares of a window, float32 (R, 4)."""
    x1, y1, x2, y2 = window
    corners = np.sort(np.array(shares).reshape(-1, 2, 2), axis=1)
    return (corners * [x2 - x1, y2 - y1] + [x1, y1]).reshape(-1, 4).astype(np.float32)


@given(placements(), SHARES)
@settings(max_examples=200, deadline=None)
def test_boxes_that_are_placed_and_taken_back_are_the_same(placement, shares):
    boxes = boxes_in(placement.window_xyxy, shares)
    there = placement.affine.boxes(boxes)
    back = placement.affine.inverse().boxes(there)
    x1, y1, x2, y2 = placement.window_xyxy
    height, width = placement.content_hw
    # below 512 px a float32 is off by 2^-16 px at most, in the square and again when scaled back
    step = 2**-15 * max(1, (x2 - x1) / width, (y2 - y1) / height)
    np.testing.assert_allclose(back, boxes, atol=step)
    left, top, right, bottom = placement.content_xyxy
    assert (there >= np.array([left, top, left, top]) - 1e-3).all()
    assert (there <= np.array([right, bottom, right, bottom]) + 1e-3).all()


@given(placements(), SHARES)
@settings(max_examples=100, deadline=None)
def test_a_mirror_changes_x_alone_and_keeps_sizes(placement, shares):
    boxes = boxes_in(placement.window_xyxy, shares)
    plain, mirrored = (
        replace(placement, flip=flip).affine.boxes(boxes).astype(np.float64)
        for flip in (False, True)
    )
    left, _, right, _ = placement.content_xyxy
    np.testing.assert_allclose(mirrored[:, [1, 3]], plain[:, [1, 3]])
    np.testing.assert_allclose(mirrored[:, [0, 2]], left + right - plain[:, [2, 0]], atol=1e-3)


@given(placements(), SHARES)
@settings(max_examples=100, deadline=None)
def test_boxes_inside_the_window_are_all_kept_whole(placement, shares):
    boxes = boxes_in(placement.window_xyxy, shares)
    placed, kept = place_boxes(boxes, placement)
    np.testing.assert_array_equal(kept, np.arange(len(boxes)))
    np.testing.assert_allclose(placed, placement.affine.boxes(boxes), atol=1e-3)
