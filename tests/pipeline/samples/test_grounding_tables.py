from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from models.phrases.places import Place
from pipeline.caching.cache import CacheError
from pipeline.errors import InputError
from pipeline.mentions import Mention, PhraseFacts
from pipeline.samples.grounding_tables import (
    NO_CAMS,
    NO_PROPOSALS,
    GroundingTables,
    compared_nouns,
    count_texts,
    picture_phrase,
)
from pipeline.samples.label_similarity import EXACT
from tests import cached_world
from tests.cached_world import BOXES, FILES, HW, PHRASES, write_world

IMAGES = FILES.annotations / "images"
A, B, C, D, E = range(5)


@pytest.fixture
def tables(root, monkeypatch):
    monkeypatch.chdir(root)
    return GroundingTables.from_caches(FILES, IMAGES, None)


def test_all_splits_or_the_wanted_ones_are_there(tables):
    assert [image.image_id for image in tables.images] == [*HW]
    wanted = GroundingTables.from_caches(FILES, IMAGES, ("test",))
    assert [image.image_id for image in wanted.images] == ["e"]
    assert [record.phrase for record in wanted.phrases] == PHRASES["e"]
    assert wanted.phrases_of_image == {0: [0, 1]}
    with pytest.raises(InputError, match="nowhere"):
        GroundingTables.from_caches(FILES, IMAGES, ("nowhere",))


def test_phrases_go_to_their_images_in_order(tables):
    found = {
        tables.images[image].image_id: [tables.phrases[index].phrase for index in indices]
        for image, indices in tables.phrases_of_image.items()
    }
    assert found == PHRASES
    assert [*tables.phrases_of_image] == [A, B, C, D, E]


def test_texts_of_place_are_of_every_distinct_phrase_and_its_mirror_image(tables):
    found = list(tables.place_texts)
    assert {"left", "right", "near"} <= set(found)
    assert found.count("left") == 1


def test_texts_are_the_phrases_and_their_mirror_images(tables):
    phrases = [phrase for found in PHRASES.values() for phrase in found]
    assert Counter(tables.texts) == Counter([*phrases, "right cat", "right one"])
    twice = replace(tables, phrases=[*tables.phrases, picture_phrase("left cat")])
    assert Counter(twice.texts) - Counter(tables.texts) == Counter(["left cat", "right cat"])
    known = dict(tables.phrase_facts)
    assert dict(count_texts(tables.phrases, known)) == Counter(phrases)


def test_a_phrase_that_the_nouns_stage_has_not_seen_is_named(tables):
    phrases = [picture_phrase(phrase) for phrase in ("the dog", "unheard of", "left cat")]
    for facts in (tables.phrase_facts, dict(tables.phrase_facts)):
        with pytest.raises(CacheError, match="'unheard of'"):
            compared_nouns(phrases, facts)


def test_a_phrase_of_an_image_that_is_not_there_is_an_error_that_names_it(tables):
    with pytest.raises(CacheError, match=r"images\.jsonl.*'e'"):
        _ = replace(tables, images=[*tables.images][:4]).phrases_of_image


def test_an_image_s_own_rows_are_gathered(tables):
    first = tables.phrases_of_image[A]
    facts = tables.gather(A, [first[2], first[1]], max_nouns=2)
    assert (facts.image.image_id, facts.phrases) == ("a", ["dog near a cat", "left cat"])
    expected = BOXES["a"]
    np.testing.assert_array_equal(facts.proposals["boxes_xyxy"], [box for box, _, _ in expected])
    np.testing.assert_allclose(facts.proposals["scores"], [score for _, score, _ in expected])
    np.testing.assert_array_equal(facts.proposals["labels"], [label for _, _, label in expected])
    np.testing.assert_array_equal(facts.label_similarity, [[1, 0, 0, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(facts.anchor_similarity, [[0, 1, 0, 0], [0] * 4])
    assert facts.subjects == ["dog", "cat"]
    assert facts.is_plain.tolist() == [tables.facts_of(first[n]).is_plain for n in (2, 1)]
    assert [place.relation for place in facts.places] == ["near", ""]
    assert (tables.image_folder, facts.image.file) == (IMAGES, "a.png")
    assert tables.cam_scorer == {"kind": "nounhead", "prompt": "{}", "backgrounds": []}
    assert facts.slots.nouns == [["dog", "cat"], ["cat"]]
    assert facts.slots.noun_mask.shape == (2, 2)
    assert (facts.maps.shape, facts.maps.dtype) == ((2, 5, 5), np.float32)
    assert len(facts.confidences) == 2


def test_which_phrases_mean_several_things_is_gathered_in_their_order(tables):
    first = tables.phrases_of_image[B]
    facts = tables.gather(B, [first[1], first[0]], max_nouns=1)  # only "blue cat" does
    assert facts.is_plural.tolist() == [True, False]


def test_a_phrase_whose_nouns_have_no_map_has_no_slot(tables):
    facts = tables.gather(C, tables.phrases_of_image[C], max_nouns=2)  # a cup, the cat
    assert facts.slots.nouns == [[], ["cat"]]
    assert len(facts.maps) == len(facts.confidences) == 1


def test_what_is_gathered_may_be_changed(tables):
    for _ in range(2):
        boxes = tables.gather(A, tables.phrases_of_image[A], 2).proposals["boxes_xyxy"]
        np.testing.assert_array_equal(boxes, [box for box, _, _ in BOXES["a"]])
        boxes += 1


def test_an_image_or_phrase_that_a_cache_does_not_know_is_named(tables):
    with pytest.raises(CacheError, match=r"proposals\.h5.*'z'.*dvc repro proposals"):
        tables.proposals.of("z")
    known = {text: fact for text, fact in tables.phrase_facts.items() if text != "the dog"}
    with pytest.raises(CacheError, match=r"nouns\.h5.*'the dog'.*dvc repro nouns"):
        replace(tables, phrase_facts=known).facts_of(0)
    with pytest.raises(CacheError, match=r"nouns\.h5.*'unseen'.*dvc repro nouns"):
        [*replace(tables, phrases=[*tables.phrases, picture_phrase("unseen")]).texts]


def test_a_picture_at_hand_and_its_phrases_make_tables_of_their_own():
    boxes = {
        "boxes_xyxy": np.array([[1, 2, 3, 4]], np.float32),
        "scores": np.array([0.5], np.float32),
        "labels": np.array([1], np.int16),
    }
    cams = {
        "noun_index": np.array([1], np.int32),
        "maps": np.ones((1, 3, 5), np.float16),
        "confidences": np.array([0.75], np.float32),
    }
    facts = {
        "one": PhraseFacts((), False, False, Place(), "one"),
        "the cats": PhraseFacts((Mention("cat", 0),), True, False, Place(), "cats"),
    }
    names = ["dog", "cat"]
    phrases = [picture_phrase(phrase) for phrase in facts]
    tables = GroundingTables.from_picture((30, 50), phrases, facts, (boxes, names), (cams, names))
    found = tables.gather(0, [1], max_nouns=2)
    assert tables.phrases_of_image == {0: [0, 1]}
    assert (found.image.image_hw, found.phrases) == ((30, 50), ["the cats"])
    assert found.subjects == ["cats"]
    assert {phrases[0].image_id, phrases[0].split} == {found.image.image_id, found.image.split}
    assert (tables.image_folder, tables.cam_scorer) == (Path(), {})
    np.testing.assert_array_equal(found.proposals["boxes_xyxy"], [[1, 2, 3, 4]])
    np.testing.assert_array_equal(found.label_similarity, [[0, 1, 0]])
    assert (found.slots.nouns, found.is_plural.tolist()) == ([["cat"]], [True])
    assert (found.maps.sum(), found.confidences.tolist()) == (15, [0.75])


def test_labels_are_compared_anew_as_params_say_and_nothing_else_changes(tables):
    params = replace(EXACT, synonym=0.25)
    labels = ("guard dog", "cat", "thing")
    before = replace(tables, proposals=replace(tables.proposals, names=labels))
    compared = before.with_labels_compared(params, FILES.weights)
    found = compared.gather(A, tables.phrases_of_image[A], max_nouns=1)  # a dog, a cat, a dog
    np.testing.assert_array_equal(
        found.label_similarity, [[0.25, 0, 0, 0], [0, 1, 0, 0], [0.25, 0, 0, 0]]
    )
    assert replace(compared, label_similarity=before.label_similarity) == before
    with pytest.raises(InputError, match="language"):
        tables.with_labels_compared(replace(params, similarity="text"), FILES.weights)


@pytest.mark.parametrize(
    ("file", "name", "at", "value"),
    [
        (FILES.proposals, "labels", 0, 99),
        (FILES.proposals, "labels", 0, -1),
        (FILES.proposals, "offsets", 1, 10**9),
        (FILES.proposals, "offsets", -1, 1),
        (FILES.cams, "noun_index", 1, 2),
        (FILES.nouns, "noun_index", 0, 10**6),
        (FILES.nouns, "relation", 0, 120),
    ],
)
def test_numbers_of_a_damaged_cache_point_nowhere(tmp_path, monkeypatch, file, name, at, value):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path)
    with h5py.File(file, "r+") as cache:
        cache[name][at] = value
    with pytest.raises(CacheError, match=file.name):
        GroundingTables.from_caches(FILES, IMAGES, None)


def test_a_cache_that_lacks_an_image_of_its_offsets_is_damaged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path)
    with h5py.File(FILES.proposals, "r+") as cache:
        offsets = cache["offsets"][:]
        del cache["offsets"]
        cache["offsets"] = np.append(offsets, offsets[-1])
    with pytest.raises(CacheError, match=FILES.proposals.name):
        GroundingTables.from_caches(FILES, IMAGES, None)


def test_a_cache_of_which_an_array_lacks_a_row_is_damaged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path)
    with h5py.File(FILES.proposals, "r+") as cache:
        scores = cache["scores"][:-1]
        del cache["scores"]
        cache["scores"] = scores
    with pytest.raises(CacheError, match=FILES.proposals.name):
        GroundingTables.from_caches(FILES, IMAGES, None)


def test_no_image_need_have_a_proposal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path)
    monkeypatch.setattr(cached_world, "BOXES", dict.fromkeys(BOXES, ()))
    cached_world.write_proposals(tmp_path)
    tables = GroundingTables.from_caches(FILES, IMAGES, None)
    assert len(tables.gather(A, tables.phrases_of_image[A], 2).proposals["labels"]) == 0


def test_what_stands_before_a_phrase_in_its_sentence_is_gathered():
    sentence = "a dog and a cat"
    phrases = [
        picture_phrase("a dog", sentence, (0, 5)),
        picture_phrase("a cat", sentence, (10, 15)),
        picture_phrase("a cat"),
    ]
    facts = {
        f"a {noun}": PhraseFacts((Mention(noun, 0),), False, False, Place(), noun)
        for noun in ("dog", "cat")
    }
    boxes = NO_PROPOSALS[0], ("cat", "dog")
    tables = GroundingTables.from_picture((30, 50), phrases, facts, boxes, NO_CAMS)
    found = tables.gather(0, [1, 2], max_nouns=1)
    assert found.proposals["boxes_xyxy"].shape == (0, 4)
    assert (found.maps.tolist(), found.confidences.tolist()) == ([[[0]]], [0])
    earlier = found.earlier.similarity[:, :, :2]
    np.testing.assert_array_equal(earlier[:, 0], [[0, 1], [0, 0]])
    assert not earlier[:, 1:].any()
