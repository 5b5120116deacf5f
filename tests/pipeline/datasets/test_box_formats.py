import math

import pytest

from pipeline.datasets.box_formats import check_box

HW = (40, 100)


@pytest.mark.parametrize(
    ("form", "given", "box"),
    [
        ("xywh", [5, 6, 10, 12], (5, 6, 15, 18)),
        ("xyxy", [5, 6, 10, 12], (5, 6, 10, 12)),
        ("inclusive", [5, 6, 10, 12], (5, 6, 11, 13)),
        ("inclusive", [99, 39, 99, 39], (99, 39, 100, 40)),
        ("xywh", (0, 0, 100, 40), (0, 0, 100, 40)),
        ("xywh", [1.5, 2.25, 3.0, 4.5], (1.5, 2.25, 4.5, 6.75)),
    ],
)
def test_numbers_become_continuous_corners(form, given, box):
    assert check_box(given, form, HW) == (box, None)


@pytest.mark.parametrize("given", [[99.5, 20, 1.2, 5], [-0.7, 20, 50.7, 5], [50, 39.5, 9, 1.25]])
def test_a_pixel_of_rounding_is_clipped_without_a_word(given):
    box, problem = check_box(given, "xywh", HW)
    assert problem is None
    assert 0 <= box[0] < box[2] <= 100
    assert 0 <= box[1] < box[3] <= 40


@pytest.mark.parametrize(
    ("given", "further"),
    [
        ([-1, 5, 10, 10], [-1.25, 5, 10, 10]),
        ([5, -1, 10, 10], [5, -1.25, 10, 10]),
        ([90, 5, 11, 10], [90, 5, 11.25, 10]),
        ([5, 30, 10, 11], [5, 30, 10, 11.25]),
    ],
)
def test_rounding_is_one_pixel_at_each_side_and_more_is_told(given, further):
    assert check_box(given, "xywh", HW)[1] is None
    assert "clipped" in check_box(further, "xywh", HW)[1]


def test_a_box_that_reaches_out_either_way_it_is_read_is_clipped_and_told():
    box, problem = check_box([90, 30, 150, 60], "xywh", HW)
    assert box == (90, 30, 100, 40)
    assert check_box([90, 30, 11.25, 9], "xywh", HW) == ((90, 30, 100, 39), problem)
    assert problem == "a box reaches out of its image: clipped"


@pytest.mark.parametrize(
    ("form", "given", "words"),
    [
        ("xywh", [60, 10, 95, 35], "as x, y, width, height, but as corners"),
        ("xyxy", [60, 20, 30, 15], "as corners, but as x, y, width, height"),
        ("inclusive", [60, 20, 30, 15], "as corners, but as x, y, width, height"),
    ],
)
def test_numbers_that_mean_something_else_are_not_used_and_the_problem_says_so(form, given, words):
    box, problem = check_box(given, form, HW)
    assert box is None
    assert words in problem


@pytest.mark.parametrize(
    "given",
    [
        [1, 2, math.nan, 4],
        [1, 2, math.inf, 4],
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        ["1", "2", "3", "4"],
        "1234",
        None,
        {1: 2, 3: 4, 5: 6, 7: 8},
        [[1, 2, 3, 4]],
    ],
)
def test_what_is_not_four_finite_numbers_is_no_box(given):
    assert check_box(given, "xyxy", HW) == (None, "a box is not four finite numbers: skipped")


@pytest.mark.parametrize(
    "given", [[200, 5, 10, 10], [5, 5, 0, 10], [5, 5, 10, 0], [5, 5, 10, -2], [-9, 5, 3, 3]]
)
def test_a_box_without_area_in_its_image_is_skipped(given):
    box, problem = check_box(given, "xywh", HW)
    assert box is None
    assert problem == "a box has no area in its image: skipped"


SHARES = [
    [0.09, 0.03, 0.47, 0.47],
    [0.5, 0.25, 0.5, 0.75],
    [0, 0, 1, 1],
    [0, 0.2, 1.01, 1],
    [0, 0.2, 1, 1.01],
    [-0.01, 0.2, 1, 1],
]


@pytest.mark.parametrize("form", ["xywh", "xyxy", "inclusive"])
@pytest.mark.parametrize("given", SHARES)
def test_shares_of_width_and_height_are_not_taken_for_pixels(form, given):
    box, problem = check_box(given, form, (480, 640))
    assert box is None
    assert "shares" in problem
    assert check_box(given, form, (4, 4)) == (box, problem)


@pytest.mark.parametrize(
    ("form", "given", "image_hw"),
    [
        ("xywh", [0, 0, 1, 2], HW),
        ("xywh", [0.5, 0.5, 1.5, 0.75], HW),
        ("xyxy", [0, 0.5, 1, 1.02], HW),  # further than a share reaches
        ("xyxy", [-0.02, 0.5, 1, 1], HW),
        ("xyxy", [0, 0, 1, 1], (1, 1)),
        ("xyxy", [0.25, 0.5, 1, 1], (3, 2)),
        ("xyxy", [0.25, 0.5, 1, 1], (9, 3)),
        ("inclusive", [0, 0, 0, 0], HW),
    ],
)
def test_small_boxes_of_pixels_are_kept(form, given, image_hw):
    assert check_box(given, form, image_hw)[1] is None
