from itertools import combinations, groupby

import numpy as np
import pytest

from pipeline.datasets.shapes.drawing import paste
from pipeline.datasets.shapes.layout import (
    _choose_classes,
    _is_clear,
    choose_image_hw,
    place_objects,
)
from pipeline.datasets.shapes.vocabulary import SIZES_PX

IMPOSSIBLE = 300  # no pixel has this value


def changed_box(canvas):
    """The extent of what was drawn over the impossible value, looked for pixel by pixel."""
    drawn = [
        (y, x) for y, row in enumerate(canvas) for x, v in enumerate(row) if v[0] != IMPOSSIBLE
    ]
    ys, xs = [y for y, _ in drawn], [x for _, x in drawn]
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def test_boxes_are_tight_around_the_pixels_of_each_object_drawn_alone():
    rng = np.random.default_rng(0)
    for item in place_objects(rng, (131, 192), 192):
        canvas = np.full((131, 192, 3), IMPOSSIBLE, dtype=np.int32)
        paste(canvas, item.drawing, item.left, item.top)
        assert changed_box(canvas) == item.box_xyxy


def test_objects_lie_inside_their_image(scenes):
    for scene in scenes:
        height, width, _ = scene.image.shape
        assert (scene.boxes_xyxy[:, :2] >= 0).all()
        assert (scene.boxes_xyxy[:, 2:] <= (width, height)).all()


def test_objects_overlap_little(scenes):
    for scene in scenes:
        for one, other in combinations(scene.boxes_xyxy.tolist(), 2):
            width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
            height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
            smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
            assert width * height <= 0.08 * smaller


def test_images_have_the_long_side_and_different_shapes():
    rng = np.random.default_rng(1)
    shapes = [choose_image_hw(rng, 200) for _ in range(300)]
    assert {max(shape) for shape in shapes} == {200}
    assert min(min(shape) for shape in shapes) in range(120, 125)
    assert any(h > w for h, w in shapes)
    assert any(h < w for h, w in shapes)


def test_boxes_may_touch_and_overlap_by_eight_percent_of_the_smaller():
    big = (10, 20, 110, 70)
    assert _is_clear(big, (110, 20, 120, 70))
    assert _is_clear(big, (10, 70, 20, 80))
    assert _is_clear(big, (300, 90, 340, 120))  # apart both ways
    assert _is_clear(big, (102, 60, 152, 80))  # 8 x 10 of 50 x 20
    assert not _is_clear(big, (101, 60, 151, 80))
    assert not _is_clear((101, 60, 151, 80), big)


def test_objects_come_in_whole_groups_of_a_class_until_there_are_enough():
    drawn = [_choose_classes(np.random.default_rng(seed)) for seed in range(300)]
    assert {len(classes) for classes in drawn} == set(range(6, 11))
    groups = [[len(list(same)) for _, same in groupby(classes)] for classes in drawn]
    assert {size for sizes in groups for size in sizes} == {1, 2, 3, 4}
    assert all(
        len(set(classes)) == len(sizes) for classes, sizes in zip(drawn, groups, strict=True)
    )


def test_most_images_are_wider_than_high():
    rng = np.random.default_rng(2)
    shapes = [choose_image_hw(rng, 200) for _ in range(400)]
    wide = [height < width for height, width in shapes if height != width]
    assert np.mean(wide) == pytest.approx(0.7, abs=0.08)


def test_an_image_has_five_to_ten_objects():
    found = [place_objects(np.random.default_rng(seed), (60, 100), 100) for seed in range(60)]
    assert {len(items) for items in found} == set(range(5, 11))


def test_every_size_has_its_pixels_which_shrink_with_the_picture():
    sides = {name: set() for name in SIZES_PX}
    for seed in range(30):
        for item in place_objects(np.random.default_rng(seed), (75, 96), 96):
            sides[item.sketch.attributes.size_name].add(item.sketch.longer_side_px)
    for name, (low, high) in SIZES_PX.items():
        assert sides[name] == {side * 96 // 192 for side in range(low, high + 1)}


def test_objects_keep_a_margin_to_the_border():
    found = [place_objects(np.random.default_rng(seed), (120, 192), 192) for seed in range(12)]
    boxes = np.array([item.box_xyxy for items in found for item in items])
    assert boxes[:, :2].min() == 2
    assert (boxes[:, 2] <= 192).all()
    assert (boxes[:, 3] <= 120).all()
