import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.shapes.records import draw_shapes_image, plan_shapes
from pipeline.datasets.shapes.scene import draw_scene, scene_phrases
from pipeline.params.datasets import ShapesDataset

SECTION = ShapesDataset(
    "shapes", seed=3, train_scenes=2, test_scenes=3, phrases_per_scene=4, long_side_px=96
)


def test_every_scene_of_both_splits_is_planned_training_first(tmp_path):
    plan = plan_shapes(SECTION, tmp_path)
    assert plan.items == (("0", "train"), ("1", "train"), *((str(n), "test") for n in range(3)))
    assert (
        plan.read(("1", "test")).image == draw_shapes_image(SECTION, tmp_path, ("1", "test")).image
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_file_is_the_scene_and_its_size_is_told_height_first(tmp_path, split):
    reading = draw_shapes_image(SECTION, tmp_path, ("1", split))
    scene = draw_scene(3, split, 1, 96)
    with Image.open(tmp_path / reading.image.file) as picture:
        np.testing.assert_array_equal(np.asarray(picture), scene.image)
        assert reading.image.image_hw == (picture.height, picture.width)
    assert (reading.image.image_id, reading.image.split) == (f"{split}_00001", split)


def test_answers_belong_to_their_phrases_and_training_has_none(tmp_path):
    reading = draw_shapes_image(SECTION, tmp_path, ("2", "test"))
    expected = scene_phrases(draw_scene(3, "test", 2, 96), 4)
    assert [record.phrase for record in reading.phrases] == [phrase.text for phrase in expected]
    assert [record.phrase_id for record in reading.phrases] == [f"test_00002/{n}" for n in range(4)]
    assert {(record.image_id, record.split) for record in reading.phrases} == {
        ("test_00002", "test")
    }
    for record, truth, phrase in zip(reading.phrases, reading.ground_truth, expected, strict=True):
        assert truth.phrase_id == record.phrase_id
        np.testing.assert_array_equal(truth.boxes_xyxy, phrase.target_boxes)
        assert truth.kinds == (phrase.family,)
    training = draw_shapes_image(SECTION, tmp_path, ("2", "train"))
    assert (len(training.phrases), training.ground_truth) == (4, ())
