"""The table of kinds, against words whose kind any reader knows."""

import pytest

from models.noun_classes.noun_kinds import KINDS, kind_of, noun_kinds


@pytest.mark.parametrize(
    ("kind", "nouns"),
    [
        ("being", "man woman boy girl child baby lady guy player dog horse bird crowd couple"),
        ("worn", "shirt hat jacket helmet glove shoe boot sock scarf dress uniform tie shorts"),
        ("body", "face hand arm leg head mouth ear foot tail"),
        (None, "street table car sky ball guitar water umbrella"),
    ],
)
def test_words_of_captions(kind, nouns):
    assert {noun: kind_of(noun) for noun in nouns.split()} == dict.fromkeys(nouns.split(), kind)


@pytest.mark.parametrize("noun", ["short", "pant", "clothe", "goggle"])
def test_what_has_no_singular_is_known_without_its_s(noun):
    assert noun not in noun_kinds() or noun_kinds()[noun] == "worn"
    assert kind_of(noun) == "worn"


def test_a_word_that_is_in_no_dictionary_is_of_no_kind():
    assert kind_of("zzyzx") is None
    assert kind_of("") is None


def test_every_row_is_of_a_known_kind():
    assert set(noun_kinds().values()) == set(KINDS)
