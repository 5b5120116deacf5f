import re

import pytest

from models.phrases.place_words import (
    CUE_OF,
    CUES,
    DEGREES,
    FRAMES,
    OPPOSITE,
    ORDINALS,
    RELATION_WORDS,
    RELATIONS,
    SIDES,
    number_in,
)
from tests.conftest import ROOT

FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


def documented(name):
    """Return the line of docs/formats.md about an array."""
    (line,) = re.findall(rf"^\| `{name}` .*", FORMATS, re.MULTILINE)
    return line


def test_the_cache_counts_cues_and_sides_as_documented():
    assert documented("place_cues").split(": ")[1].strip(" |").split(", ") == [*CUES]
    numbered = re.findall(r"(\d) (\w+)", documented("place_side").split("from: ")[1].split(";")[0])
    assert [(int(number), name) for number, name in numbered] == [*enumerate(SIDES)]
    others = re.findall(r"(?<!-)(\d) (\w+)", documented("relation"))
    assert [(int(number), name) for number, name in others] == [*enumerate(RELATIONS)][len(SIDES) :]


def test_every_word_is_written_as_the_parser_sees_it():
    for text in (*CUE_OF, *ORDINALS, *FRAMES, *(word for one in RELATION_WORDS for word in one)):
        assert text == text.lower().strip()
        assert " " not in text
    assert not any("-" in text for text in CUE_OF)


@pytest.mark.parametrize("name", CUES)
def test_a_cue_is_called_by_its_own_name_too(name):
    assert CUE_OF.get(name, name) == name
    assert name in CUE_OF.values()


def test_sides_are_the_relations_and_cues_that_a_thing_may_be_counted_from():
    assert set(SIDES) < set(CUES)
    assert RELATIONS[: len(SIDES)] == SIDES
    assert set(RELATION_WORDS.values()) | {*OPPOSITE} == set(RELATIONS)
    assert {CUE_OF[word] for word in DEGREES} == {"front", "back"}


def test_ordinals_count_up():
    words = ("first", "2nd", "third", "4th", "seventh")
    assert [ORDINALS[word] for word in words] == [1, 2, 3, 4, 7]


def test_a_mirror_swaps_left_and_right_alone():
    assert {OPPOSITE[OPPOSITE[side]] for side in OPPOSITE} == {"left", "right"}
    assert all(OPPOSITE[side] != side for side in OPPOSITE)


def test_a_name_is_numbered_by_its_place():
    assert [number_in(SIDES, name) for name in (*SIDES, "", "near")] == [0, 1, 2, 3, 4, 5, -1, -1]
