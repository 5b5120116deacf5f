import re
from typing import get_args

import pytest

from pipeline.datasets.shapes import templates
from pipeline.datasets.shapes.semantics import Direction, RelationKind
from pipeline.datasets.shapes.templates import tagged, tagged_noun
from pipeline.datasets.shapes.vocabulary import SYNONYMS, TEXTURES

BY_PLACE = {
    "SIDES": ({"N"}, get_args(Direction)),
    "EXTREMES": ({"N"}, get_args(Direction)),
    "RELATIONS": ({"N", "L"}, get_args(RelationKind)),
}
PLAIN = {
    "RANKED": {"N", "K", "D"},
    "CORNERS": {"N", "V", "H"},
    "BIGGEST": {"N"},
    "SMALLEST": {"N"},
}


def holes(template):
    return re.findall(r"\{(\w)\}", template)


@pytest.mark.parametrize("name", BY_PLACE)
def test_every_place_can_be_said_and_each_way_has_its_holes_once(name):
    expected, places = BY_PLACE[name]
    ways = getattr(templates, name)
    assert set(ways) == set(places)
    for template in (template for group in ways.values() for template in group):
        assert sorted(holes(template)) == sorted(expected), template


@pytest.mark.parametrize("name", PLAIN)
def test_each_way_to_say_rank_corner_or_size_has_its_holes_once(name):
    for template in getattr(templates, name):
        assert sorted(holes(template)) == sorted(PLAIN[name]), template


def test_a_template_names_no_other_side_than_its_own():
    for ways in (templates.SIDES, templates.EXTREMES, templates.RELATIONS):
        for place, group in ways.items():
            others = {"left", "right", "top", "bottom"} - {place}
            words = {word.partition("/")[0] for template in group for word in template.split()}
            assert not words & others


def test_groups_of_two_and_three_are_not_mixed_up():
    assert set(templates.GROUPS) == {1, 2, 3}
    assert not any("three" in template for template in templates.GROUPS[2])
    assert not any(word in template for template in templates.GROUPS[3] for word in ("two", "both"))


def test_every_word_of_every_template_has_a_tag():
    for name in (*BY_PLACE, *PLAIN, "GROUPS"):
        ways = getattr(templates, name)
        groups = ways.values() if isinstance(ways, dict) else [ways]
        for template in (template for group in groups for template in group):
            text = re.sub(r"\{\w\}(/\w+)?", "", template)
            assert [word.text for word in tagged(text)] == re.sub(r"/\w+", "", text).split()


def test_a_word_that_the_lexicon_lacks_needs_a_tag():
    assert tagged("kayak/NOUN")[0].upos == "NOUN"
    with pytest.raises(KeyError):
        tagged("kayak")


def test_a_tag_after_a_slash_goes_before_the_lexicon():
    left, of = tagged("left/ADV of")
    assert (left.text, left.upos, left.xpos) == ("left", "ADV", "RB")
    assert (of.text, of.upos) == ("of", "ADP")
    assert [word.upos for word in tagged("left left/ADJ")] == ["NOUN", "ADJ"]


def test_nouns_are_tagged_in_their_number():
    assert [tagged_noun("cup", plural)[1:] for plural in (False, True)] == [
        ("NOUN", "NN", "Number=Sing"),
        ("NOUN", "NNS", "Number=Plur"),
    ]
    assert {tagged(noun)[0].xpos for noun in SYNONYMS.values()} == {"NN"}


def test_every_texture_but_plain_can_trail():
    assert set(templates.TEXTURE_WORDS) == set(TEXTURES)
    assert set(templates.TEXTURE_TAILS) == set(TEXTURES) - {"plain"}
