import hashlib

import numpy as np
import pytest

from pipeline.datasets.shapes.scene import (
    CLASSES,
    PICTURE_CLASSES,
    draw_object_picture,
    draw_scene,
    scene_phrases,
)
from pipeline.datasets.shapes.vocabulary import SIZES, SIZES_PX


def digest(picture):
    return hashlib.sha256(picture.tobytes()).hexdigest()


def test_a_scene_is_drawn_alike_every_time():
    first, again = draw_scene(5, "train", 3, 192), draw_scene(5, "train", 3, 192)
    assert digest(first.image) == digest(again.image)
    np.testing.assert_array_equal(first.boxes_xyxy, again.boxes_xyxy)
    assert first.attributes == again.attributes


def test_a_scene_is_spoken_of_alike_every_time_and_as_often_as_is_asked(scenes):
    texts = [[phrase.text for phrase in scene_phrases(scene, 3)] for scene in scenes]
    assert [len(set(own)) for own in texts] == [3] * len(scenes)
    assert texts[7] == [phrase.text for phrase in scene_phrases(draw_scene(5, "test", 7, 192), 3)]
    assert len({tuple(own) for own in texts}) == len(scenes)


def test_what_was_drawn_before_does_not_matter(scenes):
    assert digest(draw_scene(5, "test", 31, 192).image) == digest(scenes[31].image)


def test_no_scene_is_in_two_splits_nor_in_two_worlds():
    worlds = [(5, "train"), (5, "test"), (5, "pretrain"), (6, "train")]
    drawn = [digest(draw_scene(*world, index, 96).image) for world in worlds for index in range(12)]
    assert len(set(drawn)) == 48


def test_a_scene_has_five_to_ten_objects_of_several_classes(scenes):
    assert all(5 <= len(scene.classes) <= 10 for scene in scenes)
    assert all(len(set(scene.classes.tolist())) >= 2 for scene in scenes)


@pytest.mark.parametrize(("colour", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_every_object_is_drawn_in_its_colour_where_its_box_is(scenes, colour, channel):
    inside, pictures = [], [scene.image.mean((0, 1)) for scene in scenes]
    for scene in scenes:
        for looks, box in zip(scene.attributes, scene.boxes_xyxy, strict=True):
            if looks.colour == colour:
                left, top, right, bottom = box.astype(int)
                inside.append(scene.image[top:bottom, left:right].mean((0, 1)))
    tinge = np.mean(inside, axis=0) - np.mean(pictures, axis=0)
    assert len(inside) > 10
    assert tinge.argmax() == channel
    assert np.ptp(tinge) > 20


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
