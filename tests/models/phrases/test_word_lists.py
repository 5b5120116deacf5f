import pytest

from models.phrases import word_lists as words
from models.phrases.lemmas import lemmatise

LISTS = {name: value for name, value in vars(words).items() if isinstance(value, frozenset)}


@pytest.mark.parametrize("name", LISTS)
def test_words_are_lower_case_and_stand_alone_but_for_compounds(name):
    assert LISTS[name]
    for word in LISTS[name]:
        assert word == word.lower()
        assert len(word.split()) == (2 if name == "COMPOUNDS" else 1), word


def test_gerunds_that_are_things_end_like_gerunds():
    assert not [word for word in words.ING_NOUNS if not word.endswith("ing")]


def test_animates_are_written_as_nouns_are_compared():
    assert {word for word in words.ANIMATES if lemmatise(word) not in words.ANIMATES} <= {"people"}


def test_what_says_where_or_which_colour_is_no_thing():
    assert words.COLOUR_WORDS | words.PLACES | words.SIDES | words.GENERIC <= words.STOP_NOUNS
    assert not words.STOP_NOUNS & words.ANIMATES
