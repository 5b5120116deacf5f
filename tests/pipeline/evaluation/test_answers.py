from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.evaluation.answers import BatchAnswers, answers_of_batch, chunked_samples
from pipeline.records import ImageRecord, PhraseRecord
from pipeline.samples.sampler import SampleIndex

PHRASES = {4: [0, 1, 2, 3, 4], 1: [5], 2: [6, 7]}
IMAGE_PX = 64


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [(4, (n,)) for n in range(5)] + [(1, (5,)), (2, (6,)), (2, (7,))]),
        (2, [(4, (0, 1)), (4, (2, 3)), (4, (4,)), (1, (5,)), (2, (6, 7))]),
        (5, [(4, (0, 1, 2, 3, 4)), (1, (5,)), (2, (6, 7))]),
        (99, [(4, (0, 1, 2, 3, 4)), (1, (5,)), (2, (6, 7))]),
    ],
)
def test_every_phrase_is_in_one_sample_of_its_image_in_order(most, expected):
    samples = chunked_samples(PHRASES, most)
    assert [(one.image_index, one.phrase_indices) for one in samples] == expected
    assert {one.seed for one in samples} == {None}


def test_no_phrases_make_no_samples():
    assert chunked_samples({}, 3) == []


@pytest.fixture
def tables():
    """Two images of which the first is twice as wide as the square, and five phrases."""
    return SimpleNamespace(
        images=[
            ImageRecord("a", "a.png", (96, 128), "val"),
            ImageRecord("b", "b", (64, 32), "val"),
        ],
        phrases=[PhraseRecord(f"p{n}", "a" if n < 3 else "b", "val", "dog") for n in range(5)],
    )


SAMPLES = [SampleIndex(1, (3, 4), None), SampleIndex(0, (2,), None)]


def batch_answers():
    squares = np.zeros((2, 2, 4), np.float32)  # phrases padded to two
    squares[0] = [[4, 6, 20, 30], [1, 2, 99, 99]]
    squares[1, 0] = [5, 7, 11, 13]
    maps = np.arange(2 * 2 * 3 * 3, dtype=np.float32).reshape(2, 2, 3, 3)
    has_map = np.array([[True, False], [True, False]])
    scores = np.array([[0.25, 0.5], [0.75, 0]], np.float32)
    boxes, features = {"reg": squares, "proposal": squares + 1}, maps[..., 0]
    return BatchAnswers(boxes, scores, {"cam": maps}, has_map, features, 0, 3, 1)


def test_each_phrase_gets_its_own_boxes_in_pixels_of_its_image(tables):
    answers = dict(answers_of_batch(tables, SAMPLES, batch_answers(), IMAGE_PX))
    assert [*answers] == ["p3", "p4", "p2"]
    np.testing.assert_allclose(answers["p3"].boxes_xyxy["reg"], [4, 6, 20, 30])
    np.testing.assert_allclose(answers["p3"].boxes_xyxy["proposal"], [5, 7, 21, 31])
    np.testing.assert_allclose(answers["p4"].boxes_xyxy["reg"], [1, 2, 32, 64])  # clipped
    np.testing.assert_allclose(answers["p2"].boxes_xyxy["reg"], [10, 14, 22, 26])  # doubled
    assert [answers[name].score for name in ("p3", "p4", "p2")] == [0.25, 0.5, 0.75]


def test_only_a_phrase_whose_head_has_a_map_gets_maps_and_its_own(tables):
    batch = batch_answers()
    answers = dict(answers_of_batch(tables, SAMPLES, batch, IMAGE_PX))
    assert answers["p4"].maps == {}
    np.testing.assert_array_equal(answers["p3"].maps["cam"], batch.maps["cam"][0, 0])
    np.testing.assert_array_equal(answers["p2"].maps["cam"], batch.maps["cam"][1, 0])


def test_each_phrase_gets_its_own_features(tables):
    batch = batch_answers()
    answers = dict(answers_of_batch(tables, SAMPLES, batch, IMAGE_PX))
    for phrase_id, place in {"p3": (0, 0), "p4": (0, 1), "p2": (1, 0)}.items():
        np.testing.assert_array_equal(answers[phrase_id].features, batch.features[place])
