import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.phrases.mirroring import may_crop, may_flip, mirror_phrase, with_mirrored


@pytest.mark.parametrize(
    ("phrase", "mirrored"),
    [
        ("left man", "right man"),
        ("the Leftmost cup on the RIGHT", "the Rightmost cup on the LEFT"),
        ("righthand side of left-hand door", "lefthand side of right-hand door"),
        ("third from right to left", "third from left to right"),
        ("bright upright leftover", "bright upright leftover"),
        ("copyright on a lefty", "copyright on a righty"),
        ("man at 3 o'clock", "man at 9 o'clock"),
        ("dog at 12 o'clock and cat at 11 o'clock", "dog at 12 o'clock and cat at 1 o'clock"),
        ("Three o'clock boy", "Nine o'clock boy"),
        ("nine oclock", "three oclock"),
        ("easternmost house, northwest tree", "westernmost house, northeast tree"),
        ("Middle Eastern man with a western saddle", "Middle Eastern man with a western saddle"),
        ("beast of the feast", "beast of the feast"),
        ("23 o'clock", "23 o'clock"),
        ("чашка 🙂 left", "чашка 🙂 right"),
        ("", ""),
    ],
)
def test_words_of_side_are_swapped_whole(phrase, mirrored):
    assert mirror_phrase(phrase) == mirrored


_WORDS = ["left", "RIGHT", "Rightmost", "bright", "west", "3 o'clock", "twelve o'clock", "a", "é"]


@given(st.lists(st.sampled_from(_WORDS)).map(" ".join))
def test_mirroring_twice_gives_the_phrase_back(phrase):
    assert mirror_phrase(mirror_phrase(phrase)) == phrase


@pytest.mark.parametrize(
    "phrase",
    [
        "man right behind the car",
        "right next to her",
        "Right under the lamp",
        "girl right there",
        "door left open",
        "number 7",
        "player 12",
        'shirt that says "go"',
        "letter a",
        "clockwise arrow",
    ],
)
def test_a_phrase_that_a_mirror_would_falsify_is_not_flipped(phrase):
    assert not may_flip(phrase)


@pytest.mark.parametrize(
    "phrase", ["man on right", "right of the car", "man at 3 o'clock", "bright wordy thing", ""]
)
def test_other_phrases_may_be_flipped(phrase):
    assert may_flip(phrase)


@pytest.mark.parametrize(
    "phrase", ["top shelf", "person closest to us", "Leftmost cat", "2nd last"]
)
def test_a_phrase_of_place_or_order_is_not_cropped(phrase):
    assert not may_crop(phrase)


@pytest.mark.parametrize("phrase", ["red shirt", "topless torso", "a sideways hat", ""])
def test_a_phrase_without_place_may_be_cropped(phrase):
    assert may_crop(phrase)


def test_phrases_come_with_what_a_mirror_makes_of_them():
    phrases = ["left cup", "cup", "right there", "left cup"]
    assert with_mirrored(phrases) == [*phrases, "right cup", "right cup"]
