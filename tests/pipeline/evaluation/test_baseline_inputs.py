from dataclasses import replace

import numpy as np
import pytest

from pipeline.caching.cache import CacheError
from pipeline.errors import InputError
from pipeline.evaluation.baseline_inputs import (
    build_baseline_inputs,
    check_detectors,
    read_detector,
)
from pipeline.paths import DatasetFiles
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.label_similarity import EXACT
from tests.cached_world import BOXES, FILES, LABELS, write_proposals, write_world

IMAGES = FILES.annotations / "images"
A, B, C, D = range(4)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(folder)
    return folder


@pytest.fixture
def tables(root, monkeypatch):
    monkeypatch.chdir(root)
    return GroundingTables.from_caches(FILES, IMAGES, ("train",))


def inputs_of(tables, image, number):
    return build_baseline_inputs(tables, image, tables.phrases_of_image[image][number])


def test_image_and_proposals_are_the_phrase_s_image_s(tables):
    inputs = inputs_of(tables, A, 0)
    assert inputs.image_hw == (72, 96)
    np.testing.assert_array_equal(inputs.boxes_xyxy, [box for box, _, _ in BOXES["a"]])
    np.testing.assert_allclose(inputs.scores, [0.9, 0.8, 0.3])


@pytest.mark.parametrize(
    ("image", "number", "matches"),
    [
        (A, 0, [1, 0, 0]),  # the dog
        (A, 1, [0, 1, 0]),  # left cat
        (D, 0, [0, 0]),  # left one: no noun, so that nothing is said of any proposal
        (D, 2, [1, 0]),
        (C, 1, []),
    ],
)
def test_a_proposal_matches_where_its_label_is_the_head_noun_s(tables, image, number, matches):
    np.testing.assert_array_equal(inputs_of(tables, image, number).matches, matches)


def test_a_proposal_of_the_last_label_matches_as_any_other(tables):
    phrase = tables.phrases[tables.phrases_of_image[A][0]].phrase
    facts = tables.phrase_facts[phrase]
    named = replace(facts, mentions=(replace(facts.mentions[0], noun="thing"),))
    tables = replace(tables, phrase_facts={**tables.phrase_facts, phrase: named})
    compared = tables.with_labels_compared(EXACT, FILES.weights)
    np.testing.assert_array_equal(inputs_of(compared, A, 0).matches, [0, 0, 1])


def test_the_map_is_the_head_noun_s_own_on_this_image(tables):
    head = inputs_of(tables, A, 2)  # dog near a cat
    facts = tables.gather(A, tables.phrases_of_image[A], max_nouns=2)
    np.testing.assert_array_equal(head.cam, facts.maps[1])  # maps of cat, dog
    np.testing.assert_array_equal(inputs_of(tables, A, 1).cam, facts.maps[0])


@pytest.mark.parametrize(("image", "number"), [(C, 0), (D, 0), (D, 1)])
def test_a_phrase_whose_head_has_no_map_has_none(tables, image, number):
    assert inputs_of(tables, image, number).cam is None


def test_a_context_noun_s_map_stands_for_no_head(tables):
    test = GroundingTables.from_caches(FILES, IMAGES, ("test",))
    index = next(n for n, record in enumerate(test.phrases) if "umbrella" in record.phrase)
    assert build_baseline_inputs(test, 0, index).cam is not None  # its head, the dog, has one
    facts = test.phrase_facts["dog with an umbrella"]
    contexts = (facts.mentions[1], replace(facts.mentions[0], role=1))
    changed = {**test.phrase_facts, "dog with an umbrella": replace(facts, mentions=contexts)}
    test = replace(test, phrase_facts=changed)
    assert build_baseline_inputs(test, 0, index).cam is None


def test_several_things_are_told(tables):
    assert [inputs_of(tables, B, number).is_plural for number in range(3)] == [False, True, False]


def test_the_detector_is_read_with_what_it_was_trained_on(root, monkeypatch):
    monkeypatch.chdir(root)
    assert read_detector(FILES.proposals) == ("hand", "none")
    with pytest.raises(CacheError, match=r"cams\.h5.*`proposals`"):
        read_detector(FILES.cams)


def test_the_detectors_of_two_datasets_must_know_the_same_labels_in_order(root, monkeypatch):
    monkeypatch.chdir(root)
    other = DatasetFiles("other")
    write_proposals(root, other)
    check_detectors(other.proposals, FILES.proposals)
    write_proposals(root, other, LABELS[::-1])
    with pytest.raises(InputError, match=r"^data/other/proposals\.h5:.*data/shapes/proposals\.h5"):
        check_detectors(other.proposals, FILES.proposals)
    with pytest.raises(CacheError, match="`proposals`"):
        check_detectors(FILES.cams, FILES.cams)
