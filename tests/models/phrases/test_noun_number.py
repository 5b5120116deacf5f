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
        ("2 guys", "guys", "guy"),
        ("the first 2 sheep", "sheep", "sheep"),
        ("10 or 12 fish", "fish", "fish"),
        ("1,500 sheep", "sheep", "sheep"),
        ("2-3 deer", "deer", "deer"),
        ("3 of the sheep", "sheep", "sheep"),
        ("two slices of pizza", "pizza", "pizza"),
        ("2 狗", "狗", "狗"),
        ("22 year old women", "women", "woman"),
        ("two white dog", "dog", "dog"),  # a slip for "dogs"
        ("two football player", "player", "player"),
        ("three dogs race", "race", "race"),  # the tagger's slip
        ("every one of the dogs", "dogs", "dog"),
        ("a third of the pizzas", "pizzas", "pizza"),
        ("most of the men", "men", "man"),
        ("a couple of sheep", "sheep", "sheep"),
        ("7" * 5000 + " dogs", "dogs", "dog"),
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
        ("2nd man from left", "man", "man"),
        ("second sheep", "sheep", "sheep"),
        ("3rd deer", "deer", "deer"),
        ("number 52 bike", "bike", "bike"),
        ("number two sheep", "sheep", "sheep"),
        ("no. 7 fish", "fish", "fish"),
        ("# 5 shorts", "shorts", "shorts"),
        ("#5 shorts", "shorts", "shorts"),
        ("jersey 10 pants", "pants", "pants"),
        ("player number 23 batter", "batter", "batter"),
        ("22 year old woman", "woman", "woman"),
        ("5-year-old boy", "boy", "boy"),
        ("two year old sheep", "sheep", "sheep"),
        ("5 o'clock fish", "fish", "fish"),
        ("9 o clock sheep", "sheep", "sheep"),
        ("1957 car", "car", "car"),
        ("1957 aircraft", "aircraft", "aircraft"),
        ("20 inch fish", "fish", "fish"),
        ("2.5 kg fish", "fish", "fish"),
        ("50mm fish", "fish", "fish"),
        ("two feet of snow", "snow", "snow"),
        ("8:30 fish", "fish", "fish"),
        ("007 fish", "fish", "fish"),
        ("2 story house", "house", "house"),
        ("two story house", "house", "house"),
        ("two-tone car", "car", "car"),
        ("three wheeled car", "car", "car"),
        ("two legged dog", "dog", "dog"),
        ("16 player", "player", "player"),
        ("4x4 truck", "truck", "truck"),
        ("one of the two men", "men", "man"),
        ("2nd of three sheep", "sheep", "sheep"),
        ("the taller of the two men", "men", "man"),
        ("biggest of the dogs", "dogs", "dog"),
        ("number two of the horses", "horses", "horse"),
        ("1 man", "man", "man"),
        ("the lady's", "lady's", "lady"),
        ("half of the pizza", "pizza", "pizza"),
        ("7" * 5000 + " fish", "fish", "fish"),  # more digits than Python reads
    ],
)
def test_one_thing_is_one_thing(phrase, word, noun):
    assert not speaks_of_several(phrase, head_of(phrase, word, noun))


def test_a_phrase_without_a_noun_speaks_of_one_thing():
    assert not speaks_of_several("the two on the left", None)
