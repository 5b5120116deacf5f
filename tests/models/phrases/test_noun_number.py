import pytest

from models.phrases.noun_number import means_several


def is_several(phrase, noun):
    return means_several(phrase[: phrase.index(noun)], noun)


@pytest.mark.parametrize(
    ("phrase", "noun"),
    [
        ("Two men in hats", "men"),
        ("3 sheep", "sheep"),
        ("3 spacecraft", "spacecraft"),
        ("THREE sheep", "sheep"),
        ("several deer", "deer"),
        ("a large group", "group"),
        ("the firemen", "firemen"),
        ("both pants", "pants"),
        ("niños", "niños"),
        ("2 guys", "guys"),
        ("the first 2 sheep", "sheep"),
        ("10 or 12 fish", "fish"),
        ("1,500 sheep", "sheep"),
        ("2-3 deer", "deer"),
        ("two jersey sheep", "sheep"),
        ("3 of the sheep", "sheep"),
        ("two slices of pizza", "pizza"),
        ("2 狗", "狗"),
        ("22 year old women", "women"),
        ("two white dog", "dog"),  # a slip for "dogs"
        ("two long-haired dog", "dog"),
        ("two white chair", "chair"),
        ("two big chair", "chair"),
        ("one third of the pizzas", "pizzas"),
        ("two football player", "player"),
        ("three dogs race", "race"),  # the tagger's slip
        ("two sheep race", "race"),
        ("a nest of two fish", "fish"),
        ("every one of the dogs", "dogs"),
        ("a third of the pizzas", "pizzas"),
        ("most of the men", "men"),
        ("a couple of sheep", "sheep"),
        ("7" * 5000 + " dogs", "dogs"),
    ],
)
def test_a_number_of_things_is_known_by_plural_number_or_group(phrase, noun):
    assert is_several(phrase, noun)


@pytest.mark.parametrize(
    ("phrase", "noun"),
    [
        ("blue jeans", "jeans"),
        ("her glasses", "glasses"),
        ("number 1 player", "player"),
        ("a bus", "bus"),
        ("the sheep", "sheep"),
        ("one grass field", "field"),
        ("2nd man from left", "man"),
        ("second sheep", "sheep"),
        ("3rd deer", "deer"),
        ("number 52 bike", "bike"),
        ("number two sheep", "sheep"),
        ("no. 7 fish", "fish"),
        ("# 5 shorts", "shorts"),
        ("#5 shorts", "shorts"),
        ("jersey 10 pants", "pants"),
        ("player number 23 batter", "batter"),
        ("22 year old woman", "woman"),
        ("5-year-old boy", "boy"),
        ("two year old sheep", "sheep"),
        ("5 o'clock fish", "fish"),
        ("9 o clock sheep", "sheep"),
        ("1957 car", "car"),
        ("1957 aircraft", "aircraft"),
        ("20 inch fish", "fish"),
        ("2.5 kg fish", "fish"),
        ("50mm fish", "fish"),
        ("two feet of snow", "snow"),
        ("8:30 fish", "fish"),
        ("007 fish", "fish"),
        ("2 story house", "house"),
        ("two story house", "house"),
        ("two-tone car", "car"),
        ("three wheeled car", "car"),
        ("two legged dog", "dog"),
        ("16 player", "player"),
        ("16 sheep dog", "dog"),
        ("4x4 truck", "truck"),
        ("one of the two men", "men"),
        ("one of each dogs", "dogs"),
        ("2nd of three sheep", "sheep"),
        ("second of three sheep", "sheep"),
        ("two picnic table", "table"),
        ("the taller of the two men", "men"),
        ("biggest of the dogs", "dogs"),
        ("number two of the horses", "horses"),
        ("1 man", "man"),
        ("the lady's", "lady's"),
        ("half of the pizza", "pizza"),
        ("7" * 5000 + " fish", "fish"),  # more digits than Python reads
    ],
)
def test_one_thing_is_one_thing(phrase, noun):
    assert not is_several(phrase, noun)
