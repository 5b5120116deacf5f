"""Phrases of the drawn world are read back from their text by tests/oracles/shapes_reader.py."""

from collections import Counter

import numpy as np
import pytest

from pipeline.datasets.shapes.phrases import SHARES
from pipeline.datasets.shapes.scene import CLASSES, draw_scene, scene_phrases
from tests.oracles.shapes_reader import read_phrase

UPOS = {"ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "NUM", "PRON", "VERB"}


def described(scene):
    return [
        {
            "name": CLASSES[class_index],
            "colour": looks.colour,
            "texture": looks.texture,
            "size_name": looks.size_name,
            "box": box,
        }
        for class_index, looks, box in zip(
            scene.classes, scene.attributes, scene.boxes_xyxy, strict=True
        )
    ]


@pytest.fixture(scope="module")
def told():
    """(scene, phrase) of every phrase of 160 scenes."""
    scenes = [draw_scene(3, "train", index, 192) for index in range(160)]
    return [(scene, phrase) for scene in scenes for phrase in scene_phrases(scene, 5)]


def test_a_reader_who_knows_only_the_text_finds_the_targets_and_nothing_else(told):
    misread = [
        (scene.index, phrase.text)
        for scene, phrase in told
        if read_phrase(phrase.text, described(scene), scene.image.shape[:2]) != set(phrase.targets)
    ]
    assert misread == []


def test_a_phrase_comes_with_the_boxes_of_its_targets(told):
    for scene, phrase in told:
        np.testing.assert_array_equal(phrase.target_boxes, scene.boxes_xyxy[list(phrase.targets)])


def test_every_scene_has_as_many_different_phrases_as_are_wanted(told):
    texts = Counter((scene.index, phrase.text) for scene, phrase in told)
    assert len(texts) == 160 * 5
    assert set(texts.values()) == {1}


def test_every_family_takes_its_part(told):
    shares = Counter(phrase.family for _, phrase in told)
    assert set(shares) == {*SHARES, "unnamed"}
    assert 0.02 < shares["group"] / len(told) < 0.07
    assert 0.05 < shares["unnamed"] / len(told) < 0.12
    assert all(shares[name] / len(told) > 0.07 for name in set(SHARES) - {"group"})


def test_only_groups_have_several_boxes(told):
    plural = {phrase.family for _, phrase in told if len(phrase.targets) > 1}
    single = {phrase.family for _, phrase in told if len(phrase.targets) == 1}
    assert plural == {"group"}
    assert "group" not in single


def test_a_guesser_who_knows_only_the_class_is_right_less_than_half_the_time(told):
    negatives = [
        (scene.classes == scene.classes[phrase.targets[0]]).sum() for scene, phrase in told
    ]
    chances = [1 / n * (len(p.targets) == 1) for n, (_, p) in zip(negatives, told, strict=True)]
    assert 0.40 < np.mean(chances) < 0.50
    assert 0.70 < np.mean(np.array(negatives) > 1) < 0.85


def test_the_tagged_words_are_the_text(told):
    assert all(
        " ".join(word.text for word in phrase.words_with_upos) == phrase.text for _, phrase in told
    )


def test_words_carry_tags_of_universal_dependencies(told):
    words = [word for _, phrase in told for word in phrase.words_with_upos]
    assert {word.upos for word in words} <= UPOS
    assert {word.xpos for word in words if word.upos == "NOUN"} == {"NN", "NNS"}
    assert all(word.feats == "_" or "=" in word.feats for word in words)


def test_the_same_word_is_tagged_by_its_use(told):
    left = {word.upos for _, phrase in told for word in phrase.words_with_upos if word[0] == "left"}
    assert left == {"ADJ", "ADV", "NOUN"}


def test_every_phrase_has_a_noun_of_the_world(told):
    heads = {w.text.lower() for _, p in told for w in p.words_with_upos if w.upos == "NOUN"}
    assert heads >= {"cup", "mug", "fish", "thing", "one", "umbrellas"}
    assert all(any(w.upos == "NOUN" for w in p.words_with_upos) for _, p in told)


def test_phrases_depend_on_the_scene_alone():
    first, again, other = (draw_scene(3, "test", index, 192) for index in (7, 7, 8))
    assert [p.text for p in scene_phrases(first, 5)] == [p.text for p in scene_phrases(again, 5)]
    assert [p.text for p in scene_phrases(first, 5)] != [p.text for p in scene_phrases(other, 5)]


def test_fewer_phrases_are_a_beginning_of_more():
    scene = draw_scene(3, "test", 2, 192)
    assert [p.text for p in scene_phrases(scene, 8)][:3] == [
        p.text for p in scene_phrases(scene, 3)
    ]


def test_asking_for_no_phrase_gives_none():
    assert scene_phrases(draw_scene(3, "test", 2, 192), 0) == []
