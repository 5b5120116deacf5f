import pytest

from models.phrases.noun_rules import HEAD, NounMention, speaks_of_several


def head_of(phrase, word, noun):
    start = phrase.index(word)
    return NounMention(noun, HEAD, (start, start + len(word)))


@pytest.mark.parametrize(
    ("phrase", "word", "noun"),
    [
        ("Two men in hats", "men", "man"),
        ("wet DOGS", "DOGS", "dog"),
        ("3 sheep", "sheep", "sheep"),
        ("several deer", "deer", "deer"),
        ("a large group", "group", "group"),
        ("teddy bears", "teddy bears", "teddy bear"),
        ("the firemen", "firemen", "fireman"),
        ("both pants", "pants", "pants"),
        ("niños", "niños", "niño"),
    ],
)
def test_a_number_of_things_is_known_by_plural_number_or_group(phrase, word, noun):
    assert speaks_of_several(phrase, head_of(phrase, word, noun))


@pytest.mark.parametrize(
    ("phrase", "word", "noun"),
    [
        ("a man with two dogs", "man", "man"),  # the number counts another thing
        ("blue jeans", "jeans", "jeans"),
        ("her glasses", "glasses", "glasses"),
        ("number 1 player", "player", "player"),
        ("a bus", "bus", "bus"),
        ("the sheep", "sheep", "sheep"),
        ("one grass field", "field", "field"),
    ],
)
def test_one_thing_is_one_thing(phrase, word, noun):
    assert not speaks_of_several(phrase, head_of(phrase, word, noun))


def test_a_phrase_without_a_noun_speaks_of_one_thing():
    assert not speaks_of_several("the two on the left", None)
