"""Hand-drawn scenes on an image of 100 x 200 pixels (height x width)."""

import numpy as np
import pytest

from pipeline.datasets.shapes.semantics import (
    BySize,
    Corner,
    Description,
    Extreme,
    Meaning,
    Relation,
    SceneFacts,
    Side,
    is_unambiguous,
    readings,
)
from pipeline.datasets.shapes.vocabulary import CLASSES, Attributes

CUP, LAMP, STAR = (CLASSES.index(name) for name in ("cup", "lamp", "star"))
RED_CUP = Attributes("red", "plain", "small")
BLUE_CUP = Attributes("blue", "striped", "large")
CUPS = Description(CUP)


def scene(*things):
    """Objects as (class, centre x, centre y, side[, attributes])."""
    boxes = [[x - s / 2, y - s / 2, x + s / 2, y + s / 2] for _, x, y, s, *_ in things]
    looks = tuple(thing[4] if len(thing) > 4 else RED_CUP for thing in things)
    classes = np.array([thing[0] for thing in things])
    return SceneFacts((100, 200), np.array(boxes, dtype=np.float32), classes, looks)


def test_a_description_fits_what_has_every_attribute_it_names():
    facts = scene((CUP, 30, 50, 20), (CUP, 90, 50, 20, BLUE_CUP), (LAMP, 150, 50, 20, BLUE_CUP))
    assert facts.matching(CUPS) == [0, 1]
    assert facts.matching(Description(colour="blue")) == [1, 2]
    assert facts.matching(Description(CUP, "blue", "striped", "large")) == [1]
    assert facts.matching(Description(STAR)) == []
    assert facts.matching(Description(texture="plain")) == [0]
    assert facts.matching(Description(size_name="large")) == [1, 2]


def test_a_description_without_a_place_is_clear_if_it_fits_one_thing():
    facts = scene((CUP, 30, 50, 20), (CUP, 90, 50, 20, BLUE_CUP))
    assert is_unambiguous(facts, Meaning(Description(CUP, "blue")), {1})
    assert not is_unambiguous(facts, Meaning(CUPS), {1})


@pytest.mark.parametrize(
    ("direction", "winner"), [("left", 0), ("right", 2), ("top", 1), ("bottom", 2)]
)
def test_the_extreme_is_the_farthest_towards_its_side(direction, winner):
    facts = scene((CUP, 30, 50, 20), (CUP, 90, 20, 20), (CUP, 150, 80, 20), (LAMP, 5, 50, 10))
    assert is_unambiguous(facts, Meaning(CUPS, Extreme(direction, 1)), {winner})


def test_two_things_that_are_nearly_level_are_not_told_apart():
    facts = scene((CUP, 30, 50, 20), (CUP, 40, 80, 20))  # 10 px apart; 7 % of 200 px are 14
    assert readings(facts, Meaning(CUPS, Extreme("left", 1))) == ({0}, {0, 1})


@pytest.mark.parametrize(
    ("direction", "first", "rival"),
    [
        ("left", (30, 50), (46, 50)),  # whose edges lie at 20 and 16
        ("right", (170, 50), (154, 50)),
        ("top", (50, 25), (50, 41)),
        ("bottom", (50, 75), (50, 59)),
    ],
)
def test_a_wide_rival_whose_edge_reaches_out_farther_stays_in_question(direction, first, rival):
    facts = scene((CUP, *first, 20), (CUP, *rival, 60))
    assert readings(facts, Meaning(CUPS, Extreme(direction, 1))) == ({0}, {0, 1})
    narrow = scene((CUP, *first, 20), (CUP, *rival, 20))
    assert readings(narrow, Meaning(CUPS, Extreme(direction, 1))) == ({0}, {0})


def test_the_second_is_counted_from_its_side():
    facts = scene((CUP, 150, 50, 20), (CUP, 30, 50, 20), (CUP, 90, 50, 20), (CUP, 180, 50, 20))
    assert is_unambiguous(facts, Meaning(CUPS, Extreme("left", 2)), {2})
    assert is_unambiguous(facts, Meaning(CUPS, Extreme("right", 2)), {0})
    assert is_unambiguous(facts, Meaning(CUPS, Extreme("right", 3)), {2})


def test_of_two_things_there_is_no_second_and_of_one_no_leftmost():
    pair, single = scene((CUP, 30, 50, 20), (CUP, 90, 50, 20)), scene((CUP, 30, 50, 20))
    assert readings(pair, Meaning(CUPS, Extreme("left", 2))) == (set(), set())
    assert readings(single, Meaning(CUPS, Extreme("left", 1))) == (set(), set())
    assert readings(single, Meaning(CUPS, BySize(biggest=True))) == (set(), set())


def test_left_cup_is_the_leftmost_of_two_but_must_be_alone_there_if_there_are_more():
    pair = scene((CUP, 30, 50, 20), (CUP, 80, 50, 20))
    three = scene((CUP, 30, 50, 20), (CUP, 80, 50, 20), (CUP, 150, 50, 20))
    assert is_unambiguous(pair, Meaning(CUPS, Side("left")), {0})
    assert readings(three, Meaning(CUPS, Side("left"))) == ({0}, {0, 1})
    assert is_unambiguous(three, Meaning(CUPS, Side("right")), {2})


def test_a_cup_in_the_right_half_is_no_cup_on_the_left():
    facts = scene((CUP, 130, 50, 20), (CUP, 180, 50, 20))
    assert readings(facts, Meaning(CUPS, Side("left")))[0] == set()


def test_a_corner_needs_both_coordinates():
    facts = scene((CUP, 180, 10, 20), (CUP, 20, 10, 20), (CUP, 180, 90, 20))
    assert is_unambiguous(facts, Meaning(CUPS, Corner("top", "right")), {0})
    assert is_unambiguous(facts, Meaning(CUPS, Corner("bottom", "right")), {2})
    assert readings(facts, Meaning(CUPS, Corner("bottom", "left"))) == (set(), set())


def test_a_thing_near_the_middle_makes_a_corner_unclear():
    facts = scene((CUP, 20, 10, 20), (CUP, 105, 52, 20))
    assert readings(facts, Meaning(CUPS, Corner("top", "left"))) == ({0}, {0, 1})


def test_the_biggest_must_be_clearly_bigger():
    clear = scene((CUP, 30, 50, 20), (CUP, 90, 50, 40), (LAMP, 150, 50, 60))
    close = scene((CUP, 30, 50, 20), (CUP, 90, 50, 23))
    assert is_unambiguous(clear, Meaning(CUPS, BySize(biggest=True)), {1})
    assert is_unambiguous(clear, Meaning(CUPS, BySize(biggest=False)), {0})
    assert readings(close, Meaning(CUPS, BySize(biggest=True))) == ({1}, {0, 1})


@pytest.mark.parametrize(
    ("kind", "targets"), [("left", {0}), ("right", {1}), ("top", {2}), ("bottom", {3})]
)
def test_a_relation_holds_on_its_side_of_the_landmark(kind, targets):
    cups = [(CUP, 40, 50, 20), (CUP, 160, 50, 20), (CUP, 100, 10, 20), (CUP, 100, 90, 20)]
    facts = scene(*cups, (LAMP, 100, 50, 20))
    strict, _ = readings(facts, Meaning(CUPS, Relation(kind, Description(LAMP))))
    assert strict == targets


def test_what_is_farther_above_than_beside_is_not_beside():
    facts = scene((CUP, 108, 10, 10), (CUP, 112, 10, 10), (LAMP, 150, 60, 20))
    strict, _ = readings(facts, Meaning(CUPS, Relation("left", Description(LAMP))))
    assert strict == {0}  # by 42 and 38 pixels, of which 40 is four fifths of 50


def test_a_rival_that_is_even_slightly_on_that_side_makes_a_relation_unclear():
    facts = scene((CUP, 40, 50, 20), (CUP, 97, 10, 20), (LAMP, 100, 50, 20))
    assert readings(facts, Meaning(CUPS, Relation("left", Description(LAMP)))) == ({0}, {0, 1})


def test_a_landmark_must_be_the_only_one_of_its_kind():
    facts = scene((CUP, 40, 50, 20), (LAMP, 100, 50, 20), (LAMP, 160, 50, 20))
    meaning = Meaning(CUPS, Relation("left", Description(LAMP)))
    assert readings(facts, meaning) == (set(), set())


def test_nothing_stands_beside_itself():
    facts = scene((CUP, 40, 50, 20), (CUP, 60, 50, 20, BLUE_CUP))
    meaning = Meaning(CUPS, Relation("near", Description(CUP, "blue")))
    assert is_unambiguous(facts, meaning, {0})


def test_next_to_is_the_nearest_if_it_is_near_and_no_rival_is():
    clear = scene((CUP, 80, 50, 20), (CUP, 160, 50, 20), (LAMP, 100, 50, 20))
    negative = scene((CUP, 80, 50, 20), (CUP, 125, 50, 20), (LAMP, 100, 50, 20))
    far = scene((CUP, 10, 50, 20), (LAMP, 190, 50, 20))
    meaning = Meaning(CUPS, Relation("near", Description(LAMP)))
    assert is_unambiguous(clear, meaning, {0})
    assert readings(negative, meaning) == ({0}, {0, 1})
    assert readings(far, meaning) == (set(), set())


def cups_at(*centres, side=20):
    return [(CUP, x, y, side) for x, y in centres]


LAMP_AMID = (LAMP, 100, 50, 20)
LEFT_OF_LAMP = Relation("left", Description(LAMP))
ABOVE_LAMP = Relation("top", Description(LAMP))
NEXT_TO_LAMP = Relation("near", Description(LAMP))


@pytest.mark.parametrize(
    ("things", "place", "expected"),
    [
        # a cup on the left lies within six tenths; of three the others lie beyond the middle
        (cups_at((119, 50), (180, 50)), Side("left"), ({0}, {0})),
        (cups_at((120, 50), (180, 50)), Side("left"), (set(), {0})),
        (cups_at((50, 59), (50, 90)), Side("top"), ({0}, {0})),
        (cups_at((50, 61), (50, 90)), Side("top"), (set(), {0})),
        (cups_at((30, 50), (99, 50), (150, 50)), Side("left"), ({0}, {0, 1})),
        (cups_at((30, 50), (100, 50), (150, 50)), Side("left"), ({0}, {0})),
        # 7 % of 200 px are 14
        (cups_at((30, 50), (43.5, 50)), Extreme("left", 1), ({0}, {0, 1})),
        (cups_at((30, 50), (44.5, 50)), Extreme("left", 1), ({0}, {0})),
        ([*cups_at((30, 50)), (CUP, 50, 50, 60)], Extreme("left", 1), ({0}, {0})),  # edges at 20
        ([*cups_at((30, 50)), (CUP, 50, 50, 61)], Extreme("left", 1), ({0}, {0, 1})),
        (cups_at((30, 50), (90, 50), (150, 50)), Extreme("left", 3), (set(), set())),
        (cups_at((30, 50), (90, 50), (150, 50)), Extreme("left", 2), ({1}, {1})),
        (cups_at((75, 37), (150, 90)), Corner("top", "left"), ({0}, {0})),
        (cups_at((77, 37), (150, 90)), Corner("top", "left"), (set(), {0})),
        (cups_at((75, 39), (150, 90)), Corner("top", "left"), (set(), {0})),
        (cups_at((107, 53), (150, 90)), Corner("top", "left"), (set(), {0})),
        (cups_at((109, 53), (150, 90)), Corner("top", "left"), (set(), set())),
        (cups_at((107, 55), (150, 90)), Corner("top", "left"), (set(), set())),
        ([*cups_at((30, 50)), (CUP, 90, 50, 23.5)], BySize(biggest=True), ({1}, {0, 1})),
        ([*cups_at((30, 50)), (CUP, 90, 50, 24.5)], BySize(biggest=True), ({1}, {1})),
        ([*cups_at((30, 50)), (CUP, 90, 50, 23.5)], BySize(biggest=False), ({0}, {0, 1})),
        ([*cups_at((30, 50)), (CUP, 90, 50, 24.5)], BySize(biggest=False), ({0}, {0})),
        ([*cups_at((86.5, 50)), LAMP_AMID], LEFT_OF_LAMP, (set(), {0})),
        ([*cups_at((85.5, 50)), LAMP_AMID], LEFT_OF_LAMP, ({0}, {0})),
        ([*cups_at((106.5, 50)), LAMP_AMID], LEFT_OF_LAMP, (set(), {0})),
        ([*cups_at((107.5, 50)), LAMP_AMID], LEFT_OF_LAMP, (set(), set())),
        # above by 42 and 38 pixels, of which 40 is four fifths of 50
        ([*cups_at((50, 8), (150, 12)), LAMP_AMID], ABOVE_LAMP, ({0}, {0, 1})),
        ([*cups_at((16.5, 50)), LAMP_AMID], NEXT_TO_LAMP, ({0}, {0})),  # 42 % of 200 px are 84
        ([*cups_at((15.5, 50)), LAMP_AMID], NEXT_TO_LAMP, (set(), set())),
        ([*cups_at((80, 50), (100, 79.5)), LAMP_AMID], NEXT_TO_LAMP, ({0}, {0, 1})),
        ([*cups_at((80, 50), (100, 80.5)), LAMP_AMID], NEXT_TO_LAMP, ({0}, {0})),
    ],
)
def test_both_readings_end_where_the_drawn_world_says(things, place, expected):
    assert readings(scene(*things), Meaning(CUPS, place)) == expected
