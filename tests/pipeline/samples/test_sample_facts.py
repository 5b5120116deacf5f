from types import SimpleNamespace

import numpy as np
import pytest

from models.phrases.places import Anchor, Place
from pipeline.mentions import Mention
from pipeline.samples.sample_facts import SampleFacts, anchor_text, fill_slots, place_text

HEAD, CONTEXT = 0, 1
MENTIONS = [
    [Mention("dog", HEAD), Mention("cat", CONTEXT), Mention("cup", CONTEXT)],
    [],
    [Mention("ghost", HEAD), Mention("cup", CONTEXT)],
]
MAP_NOUNS = ["cup", "dog", "owl", "cat"]


def test_slots_hold_the_first_nouns_that_have_a_map_and_their_rows():
    slots = fill_slots(MENTIONS, MAP_NOUNS, 2)
    assert slots.nouns == [["dog", "cat"], [], ["cup"]]
    np.testing.assert_array_equal(slots.map_index, [[1, 3], [0, 0], [0, 0]])
    np.testing.assert_array_equal(slots.noun_mask, [[True, True], [False] * 2, [True, False]])
    np.testing.assert_array_equal(slots.noun_roles, [[0, 1], [0, 0], [1, 0]])


def test_room_for_more_nouns_stays_empty_and_for_none_there_is_none():
    wide, none = fill_slots(MENTIONS, MAP_NOUNS, 5), fill_slots(MENTIONS, MAP_NOUNS, 0)
    assert wide.noun_mask.sum(1).tolist() == [3, 0, 1]
    assert wide.noun_mask.dtype == np.bool_
    assert wide.map_index.dtype == wide.noun_roles.dtype == np.int64
    assert (none.noun_mask.shape, none.nouns) == ((3, 0), [[], [], []])


def test_an_image_without_maps_fills_no_slot():
    slots = fill_slots(MENTIONS, [], 2)
    assert not slots.noun_mask.any()
    assert slots.nouns == [[], [], []]


@pytest.mark.parametrize(
    ("phrase", "subject", "anchor", "words"),
    [
        ("the big cup on the left side", "cup", "", "big on left"),
        ("Second cup from the LEFT", "cup", "", "left"),
        ("cup right of the big cup", "cup", "the big cup", "right"),
        ("left shoe on the left", "left shoe", "", "on left"),
        ("red cup", "red cup", "", ""),
        ("чашка слева", "чашка", "", "слева"),
    ],
)
def test_words_of_place_are_those_of_neither_the_thing_nor_its_anchor(
    phrase, subject, anchor, words
):
    assert place_text(phrase, subject, anchor) == words


def test_the_text_of_an_anchor_is_what_its_span_covers():
    place = Place(relation="near", anchor=Anchor("lamp", (8, 16)))
    assert anchor_text("cup near the lamp", place) == " the lam"
    assert anchor_text("cup near the lamp", Place()) == ""


def test_each_phrase_has_the_text_of_its_own_anchor():
    near = Place(relation="near", anchor=Anchor("lamp", (9, 17)))
    facts = SimpleNamespace(phrases=["cup", "cup near the lamp"], places=[Place(), near])
    assert SampleFacts.anchor_texts.fget(facts) == ["", "the lamp"]
