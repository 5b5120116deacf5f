from dataclasses import replace

import pytest
import yaml

from pipeline.params.reader import ParamsError, build
from pipeline.params.train import AugmentParams, LabelParams, TrainParams
from tests.conftest import ROOT

VALUES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train"]


@pytest.mark.parametrize(
    ("similarity", "part"), [("exact", None), ("wordnet", "wordnet"), ("text", "language")]
)
def test_labels_are_compared_with_a_part_of_the_weights_or_none(similarity, part):
    labels = LabelParams(**VALUES["labels"] | {"similarity": similarity})
    assert labels.weights_part == part


@pytest.mark.parametrize(
    "drawn_anew", [{"jitter": 0.25}, {"crop": 0.25}, {"scales": 2}, {"translate": True}]
)
def test_a_picture_that_is_at_most_mirrored_comes_again(drawn_anew):
    mirrored = AugmentParams(flip=0.5, jitter=0.0, crop=0.0, scales=1, translate=False)
    assert mirrored.changes_pictures is False
    assert replace(mirrored, **drawn_anew).changes_pictures is True


@pytest.mark.parametrize(
    ("key", "allowed", "refused"),
    [
        ("image_px", [32, 8192], [0, 33, 8224]),
        ("max_tokens", [3, 512], [2, 513]),  # BERT's two marks and its positions
        ("windows", [[[0, 0, 1, 1]], []], [[[0, 0, 1]], [[0, 0, 1, 1, 1]], [[0, 0, 1, 2]]]),
    ],
)
def test_what_training_can_use_is_allowed_and_nothing_beyond(key, allowed, refused):
    for value in allowed:
        build(TrainParams, VALUES | {key: value}, "train")
    for value in refused:
        with pytest.raises(ParamsError, match=rf"train\.{key}"):
            build(TrainParams, VALUES | {key: value}, "train")
