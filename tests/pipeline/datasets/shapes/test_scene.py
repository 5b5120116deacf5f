import hashlib
from itertools import combinations

import numpy as np
import pytest

from pipeline.datasets.shapes.drawing import Sketch, draw, paste
from pipeline.datasets.shapes.layout import choose_image_hw, place_objects
from pipeline.datasets.shapes.scene import CLASSES, PICTURE_CLASSES, draw_object_picture, draw_scene
from pipeline.datasets.shapes.vocabulary import COLOURS, SIZES, SIZES_PX, Attributes

IMPOSSIBLE = 300  # no pixel has this value


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(5, "test", index, 192) for index in range(40)]


def digest(picture):
    return hashlib.sha256(picture.tobytes()).hexdigest()


def sketch_of(name, colour="red", texture="plain", mirrored=False):
    looks = Attributes(colour, texture, "large")
    return Sketch(CLASSES.index(name), looks, 60, mirrored, 100, 0, 0, 0, (0, 0, 0))


def changed_box(canvas):
    """The extent of what was drawn over the impossible value, looked for pixel by pixel."""
    drawn = [
        (y, x) for y, row in enumerate(canvas) for x, v in enumerate(row) if v[0] != IMPOSSIBLE
    ]
    ys, xs = [y for y, _ in drawn], [x for _, x in drawn]
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def test_a_scene_is_drawn_alike_every_time():
    first, again = draw_scene(5, "train", 3, 192), draw_scene(5, "train", 3, 192)
    assert digest(first.image) == digest(again.image)
    np.testing.assert_array_equal(first.boxes_xyxy, again.boxes_xyxy)
    assert first.attributes == again.attributes


def test_what_was_drawn_before_does_not_matter(scenes):
    assert digest(draw_scene(5, "test", 31, 192).image) == digest(scenes[31].image)


def test_no_scene_is_in_two_splits_nor_in_two_worlds():
    worlds = [(5, "train"), (5, "test"), (5, "pretrain"), (6, "train")]
    drawn = [digest(draw_scene(*world, index, 96).image) for world in worlds for index in range(12)]
    assert len(set(drawn)) == 48


def test_boxes_are_tight_around_the_pixels_of_each_object_drawn_alone():
    rng = np.random.default_rng(0)
    for item in place_objects(rng, (131, 192), 192):
        canvas = np.full((131, 192, 3), IMPOSSIBLE, dtype=np.int32)
        paste(canvas, item.drawing, item.left, item.top)
        assert changed_box(canvas) == item.box_xyxy


def test_the_longer_side_of_a_box_is_the_one_that_was_asked_for():
    heights_and_widths = [draw(sketch_of(name)).coverage.shape for name in CLASSES]
    assert {max(shape) for shape in heights_and_widths} == {60}


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


def test_a_scene_has_five_to_ten_objects_of_several_classes(scenes):
    assert all(5 <= len(scene.classes) <= 10 for scene in scenes)
    assert all(len(set(scene.classes.tolist())) >= 2 for scene in scenes)


def test_images_have_the_long_side_and_different_shapes():
    rng = np.random.default_rng(1)
    shapes = [choose_image_hw(rng, 200) for _ in range(300)]
    assert {max(shape) for shape in shapes} == {200}
    assert min(min(shape) for shape in shapes) in range(120, 125)
    assert any(h > w for h, w in shapes)
    assert any(h < w for h, w in shapes)


def test_the_sizes_that_are_told_apart_do_not_meet(scenes):
    sides = {name: [] for name in SIZES}
    for scene in scenes:
        for looks, box in zip(scene.attributes, scene.boxes_xyxy, strict=True):
            sides[looks.size_name].append(max(box[2:] - box[:2]))
    assert 1.15 * max(sides["small"]) < min(sides["medium"])
    assert 1.15 * max(sides["medium"]) < min(sides["large"])


def test_objects_keep_their_share_of_an_image_of_another_resolution():
    small = [max(b[2:] - b[:2]) for b in draw_scene(5, "test", 0, 96).boxes_xyxy]
    assert max(small) <= SIZES_PX["large"][1] / 2
    assert min(small) >= SIZES_PX["small"][0] / 2


@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_object_shows_the_colour_it_is_named_by(colour):
    drawing = draw(sketch_of("heart", colour=colour))
    whole = drawing.coverage == 16
    shown = np.median(drawing.colour_sums[whole] / 16, axis=0)
    nearest = min(COLOURS, key=lambda name: np.abs(np.subtract(COLOURS[name], shown)).sum())
    assert nearest == colour


@pytest.mark.parametrize("texture", ["striped", "dotted"])
def test_a_texture_shows_a_second_colour_on_a_good_part_of_the_object(texture):
    plain, textured = draw(sketch_of("heart")), draw(sketch_of("heart", texture=texture))
    differs = (abs(plain.colour_sums - textured.colour_sums).sum(axis=2) > 16 * 60).mean()
    assert 0.1 < differs < 0.6


def test_no_two_classes_have_nearly_the_same_outline():
    masks = {}
    for name in CLASSES:
        mask = draw(sketch_of(name)).coverage > 8
        masks[name] = np.pad(mask, [(0, 60 - mask.shape[0]), (0, 60 - mask.shape[1])])
    ious = {
        pair: (masks[pair[0]] & masks[pair[1]]).sum() / (masks[pair[0]] | masks[pair[1]]).sum()
        for pair in combinations(CLASSES, 2)
    }
    assert max(ious.values()) < 0.9, max(ious, key=ious.get)


def test_a_mirrored_cup_has_its_handle_on_the_other_side():
    cup, mirrored = draw(sketch_of("cup")), draw(sketch_of("cup", mirrored=True))
    mass_left = [d.coverage[:, :15].sum() / d.coverage[:, -15:].sum() for d in (cup, mirrored)]
    assert mass_left[0] > 1.2
    assert mass_left[1] < 1 / 1.2


def test_a_ring_lets_the_background_through():
    canvas = np.full((70, 80, 3), IMPOSSIBLE, dtype=np.int32)
    paste(canvas, draw(sketch_of("ring")), 5, 7)
    assert canvas[7 + 30, 5 + 30, 0] == IMPOSSIBLE
    assert canvas[7 + 30, 5 + 6, 0] != IMPOSSIBLE


def test_an_object_that_reaches_over_the_border_is_cut_off_there():
    whole = np.full((90, 90, 3), IMPOSSIBLE, dtype=np.int32)
    cut = np.full((40, 50, 3), IMPOSSIBLE, dtype=np.int32)
    drawing = draw(sketch_of("star"))
    paste(whole, drawing, 20, 20)
    paste(cut, drawing, 20 - 30, 20 - 25)
    np.testing.assert_array_equal(cut, whole[25:65, 30:80])


def test_backgrounds_differ_and_are_textured(scenes):
    corners = [scene.image[:12, :12].astype(float) for scene in scenes]
    assert np.std([corner.mean() for corner in corners]) > 8
    assert min(corner.std() for corner in corners) > 3


def test_an_object_picture_is_alike_every_time_and_holds_its_class():
    first, class_index = draw_object_picture(5, 9, 96)
    again, same_index = draw_object_picture(5, 9, 96)
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert (digest(first), class_index) == (digest(again), same_index)


def test_object_pictures_show_every_class():
    shown = {draw_object_picture(5, index, 32)[1] for index in range(150)}
    assert {PICTURE_CLASSES[index].split()[1] for index in shown} == set(CLASSES)


def test_a_picture_s_class_names_the_colour_that_is_drawn():
    pictures = [draw_object_picture(5, index, 32) for index in range(400)]
    medians = {
        colour: np.median(
            [
                image.mean((0, 1))
                for image, index in pictures
                if PICTURE_CLASSES[index].startswith(colour)
            ],
            axis=0,
        )
        for colour in ("red", "green", "blue")
    }
    assert [
        int(np.argmax(medians[colour] - np.mean([*medians.values()], axis=0))) for colour in medians
    ] == [0, 1, 2]
