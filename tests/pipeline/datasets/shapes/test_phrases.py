"""Phrases of the drawn world are read back from their text by tests/oracles/shapes_reader.py."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from pipeline.datasets.shapes import phrases
from pipeline.datasets.shapes.phrases import SHARES
from pipeline.datasets.shapes.scene import CLASSES, draw_scene, scene_phrases
from pipeline.datasets.shapes.semantics import (
    BySize,
    Corner,
    Description,
    Extreme,
    Relation,
    SceneFacts,
    Side,
)
from pipeline.datasets.shapes.vocabulary import HYPERNYMS, SYNONYMS, Attributes
from tests.oracles.shapes_reader import read_phrase


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


def test_a_family_says_nothing_of_the_next_one_in_its_scene(told):
    pairs = [(a.family, b.family) for (one, a), (next_, b) in pairwise(told) if one is next_]
    shares = np.array([*Counter(phrase.family for _, phrase in told).values()]) / len(told)
    assert np.mean([a == b for a, b in pairs]) == pytest.approx((shares**2).sum(), abs=0.1)


def test_one_target_is_called_by_its_class_unless_it_is_unnamed(told):
    others = {*SYNONYMS.values(), *HYPERNYMS}
    for _, phrase in told:
        if phrase.family != "group":
            words = phrase.text.lower().split()
            head = next(word for word in words if word in others or word in CLASSES)
            assert (head in others) == (phrase.family == "unnamed"), phrase.text


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


CUP, LAMP, STAR = (CLASSES.index(name) for name in ("cup", "lamp", "star"))
LOOKS = (
    Attributes("red", "striped", "small"),
    Attributes("blue", "plain", "medium"),
    Attributes("red", "dotted", "large"),
    Attributes("green", "plain", "large"),
)
DRAWS = 2000


def facts(*classes):
    """Facts of a scene of such objects side by side."""
    lefts = np.arange(len(classes))[:, None] * 30.0
    boxes = np.concatenate([lefts, lefts * 0 + 9, lefts + 20, lefts * 0 + 31], axis=1)
    return SceneFacts((60, 200), boxes.astype(np.float32), np.array(classes), LOOKS[: len(classes)])


def shares_of(values):
    counts = Counter(values)
    return {value: count / len(values) for value, count in counts.items()}


def test_a_target_has_others_of_its_class_in_77_of_100_draws_if_there_are_any():
    rng = np.random.default_rng(0)
    scene = facts(CUP, LAMP, CUP, STAR)
    shares = shares_of([phrases._choose_target(rng, scene) for _ in range(DRAWS)])
    assert shares[0] == pytest.approx(shares[2], abs=0.04)
    assert shares[0] + shares[2] == pytest.approx(0.77, abs=0.03)
    for same in (facts(CUP, CUP), facts(CUP, LAMP)):
        assert {phrases._choose_target(rng, same) for _ in range(50)} == {0, 1}


def test_attributes_are_said_as_often_as_asked_but_not_a_medium_size_or_a_plain_texture():
    rng = np.random.default_rng(0)
    scene = facts(CUP, LAMP)
    said = [phrases._described(rng, scene, 0, (60, 30, 10)) for _ in range(DRAWS)]
    for name, value, percent in (
        ("colour", "red", 60),
        ("size_name", "small", 30),
        ("texture", "striped", 10),
    ):
        shares = shares_of([getattr(one, name) for one in said])
        assert shares[value] == pytest.approx(percent / 100, abs=0.04)
    assert {one.class_index for one in said} == {CUP}
    always = phrases._described(rng, scene, 1, (100, 100, 100))
    assert always == Description(LAMP, colour="blue")


class Draws:
    """A generator whose percentages are given, in turn, and whose every choice is the first."""

    def __init__(self, *percents):
        self.percents = iter(percents)

    def integers(self, end):
        return next(self.percents) if end == 100 else 0


def percents_of(describe):
    """Return in how many of the 100 percentages colour, size and texture are said."""
    counts = []
    for index, name in enumerate(("colour", "size_name", "texture")):
        draws = [[percent * (place == index) for place in range(3)] for percent in range(100)]
        said = [describe(Draws(*percents)) for percents in draws]
        counts.append(sum(getattr(one, name) is not None for one in said))
    return tuple(counts)


@pytest.mark.parametrize(
    ("propose", "percents"),
    [
        (phrases._propose_attribute, (70, 40, 40)),
        (phrases._propose_group, (40, 20, 20)),
        (phrases._propose_combined, (60, 35, 30)),
    ],
)
def test_the_drawn_world_says_attributes_as_often_as_it_always_has(propose, percents):
    scene = facts(CUP, LAMP)
    assert percents_of(lambda draws: propose(draws, scene, 0).target) == percents


def test_a_landmark_is_described_less_than_a_target():
    scene = facts(CUP, LAMP)
    landmark = percents_of(lambda draws: phrases._choose_relation(draws, scene).landmark)
    assert landmark == (45, 8, 8)


def test_percentages_are_of_a_hundred():
    scene = facts(CUP, LAMP, CUP)
    chosen = [phrases._choose_target(Draws(percent), scene) for percent in range(100)]
    assert sum(target != 1 for target in chosen) == phrases.DISTRACTOR_PERCENT


def test_families_come_by_their_shares():
    rng = np.random.default_rng(0)
    shares = shares_of([phrases._choose_family(rng) for _ in range(50_000)])
    for family, percent in SHARES.items():
        assert shares[family] == pytest.approx(percent / sum(SHARES.values()), abs=0.007)


def test_every_place_is_proposed_and_superlatives_of_size_least():
    rng = np.random.default_rng(0)
    places = [phrases._choose_place(rng) for _ in range(DRAWS)]
    shares = shares_of([type(place) for place in places])
    for kind, share in ((Side, 2), (Extreme, 2), (Corner, 2), (BySize, 1)):
        assert shares[kind] == pytest.approx(share / 7, abs=0.04)
    corners = {(one.vertical, one.horizontal) for one in places if isinstance(one, Corner)}
    assert corners == {(v, h) for v in ("top", "bottom") for h in ("left", "right")}
    assert {one.rank for one in places if isinstance(one, Extreme)} == {1}
    assert {one.biggest for one in places if isinstance(one, BySize)} == {True, False}


def test_orders_count_to_two_or_at_times_to_three():
    rng = np.random.default_rng(0)
    meanings = [phrases._propose_order(rng, facts(CUP, CUP), 1) for _ in range(DRAWS)]
    shares = shares_of([meaning.place.rank for meaning in meanings])
    assert shares == {2: pytest.approx(0.75, abs=0.04), 3: pytest.approx(0.25, abs=0.04)}
    assert {meaning.place.direction for meaning in meanings} == {"left", "right", "top", "bottom"}
    assert {meaning.target for meaning in meanings} == {Description(CUP)}


def test_a_combined_meaning_always_says_an_attribute_and_a_place():
    rng = np.random.default_rng(0)
    meanings = [phrases._propose_combined(rng, facts(CUP, LAMP), 1) for _ in range(DRAWS)]
    assert {meaning.target for meaning in meanings} == {Description(LAMP, colour="blue")}
    shares = shares_of([type(meaning.place) for meaning in meanings])
    assert shares[Side] == pytest.approx(1 / 3, abs=0.04)
    assert set(shares) == {Side, Relation}


def test_a_relation_is_to_any_object_in_any_way():
    rng = np.random.default_rng(0)
    places = [phrases._choose_relation(rng, facts(CUP, LAMP, STAR)) for _ in range(DRAWS)]
    assert {place.landmark.class_index for place in places} == {CUP, LAMP, STAR}
    assert {place.kind for place in places} == {"left", "right", "top", "bottom", "near"}
    assert shares_of([place.landmark.colour for place in places])[None] > 0.45
