import pytest

from models.phrases.place_cues import cue_at, is_other, is_place_word
from tests.models.phrases.hand_tags import tag


@pytest.mark.parametrize(
    ("phrase", "word", "head", "cue"),
    [
        ("left man", "left", "man", "left"),
        ("man farthest to the left", "farthest", "man", ""),
        ("man farthest to the left", "left", "man", "left"),
        ("farthest man", "farthest", "man", "back"),
        ("woman facing to the left", "left", "woman", ""),
        ("facing left", "left", None, ""),
        ("woman facing the left", "left", "woman", ""),
        ("woman looking toward left", "left", "woman", ""),
        ("woman looking towards the left", "left", "woman", ""),
        ("to the left", "left", None, "left"),
        ("to the", "the", None, ""),
        ("woman left facing the camera", "left", "woman", "left"),
        ("left facing", "left", None, "left"),
        ("his back", "back", "back", ""),
        ("man on her left", "left", "man", "left"),
        ("man with back to us", "back", "man", ""),
        ("tank top", "top", "top", ""),
        ("orange top left", "top", "orange", "top"),
        ("pink top left", "top", "top", ""),
        ("cat on top left", "top", "cat", "top"),
        ("man with back turned", "back", "man", ""),
        ("man with back to the camera", "back", "man", ""),
        ("man on left turned away", "left", "man", "left"),
        ("top cup", "top", "cup", "top"),
        ("back row", "back", "row", "back"),
        ("right behind the left", "right", None, ""),
        ("left handed batter", "left", "batter", ""),
        ("man right behind it", "right", "man", ""),
        ("man on the right behind it", "right", "man", "right"),
        ("man right there", "right", "man", ""),
        ("right right of it", "right", None, "right"),
        ("man top right behind it", "right", "man", "right"),
        ("guy big hat", "big", "guy", ""),
        ("guy big , red hat", "big", "guy", "large"),
        ("guy big red hat", "big", "guy", ""),
        ("guy big orange", "big", "guy", "large"),
        ("guy big foremost hat", "big", "guy", ""),
        ("big red hat", "big", "hat", "large"),
        ("big one", "big", None, "large"),
        ("man", "man", "man", ""),
    ],
)
def test_a_word_is_a_cue_of_the_thing_itself_or_none(phrase, word, head, cue):
    tokens = tag(phrase)
    index = [token.text for token in tokens].index(word)
    head_start = None if head is None else phrase.index(head)
    assert cue_at(tokens, index, head_start, {}) == cue


@pytest.mark.parametrize(("leads_to", "cue"), [("the pizza", ""), (None, "middle")])
def test_the_middle_of_another_thing_is_no_place(leads_to, cue):
    tokens = tag("middle of the pizza")
    assert cue_at(tokens, 0, None, {1: leads_to}) == cue
    assert cue_at(tag("middle on the pizza"), 0, None, {1: leads_to}) == "middle"
    assert cue_at(tag("left of the pizza"), 0, None, {1: leads_to}) == "left"


@pytest.mark.parametrize(("leads_to", "cue"), [("the bench", "right"), (None, "")])
def test_right_only_stresses_a_place_that_names_no_thing(leads_to, cue):
    assert cue_at(tag("dog right on it"), 1, 0, {2: leads_to}) == cue


def test_a_noun_that_is_no_word_of_place_is_another_thing():
    tokens = tag("the left side cup")
    assert [is_other(token) for token in tokens] == [False, False, False, True]
    assert not is_other(None)
    assert [is_place_word(token.text) for token in tokens] == [True, True, True, False]
