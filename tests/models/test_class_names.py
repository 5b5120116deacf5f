import pytest

from models.class_names import _WIDER_NOUNS, match_classes
from models.classifier import imagenet_classes

IMAGENET = imagenet_classes()


def matched(noun):
    return [IMAGENET[index] for index in match_classes(noun, IMAGENET)]


def test_a_noun_is_the_last_word_of_a_class():
    assert matched("fox") == ["red fox", "kit fox", "Arctic fox", "grey fox"]


def test_a_noun_is_no_first_or_inner_word_of_a_class():
    assert match_classes("fire", ("fire engine", "wild fire truck")) == ()


def test_any_synonym_between_commas_counts():
    classes = ("Siamese cat, Siamese", "great grey owl, Strix nebulosa", "wine bottle")
    assert match_classes("siamese", classes) == (0,)
    assert match_classes("owl", classes) == (1,)


def test_a_compound_noun_matches_a_whole_name():
    assert matched("traffic light") == ["traffic light"]


def test_a_wider_noun_takes_a_run_of_classes():
    assert match_classes("dog", IMAGENET)[0] == IMAGENET.index("Chihuahua")
    assert len(match_classes("dog", IMAGENET)) == 119  # 118 breeds and the African hunting dog


def test_a_person_has_no_class():
    assert [matched(noun) for noun in ("man", "woman", "girl", "boy")] == [[], [], [], []]


def test_in_another_world_only_names_count():
    assert match_classes("dog", ("cup", "lamp", "hot dog")) == (2,)
    assert match_classes("boat", ("cup", "lamp")) == ()


def test_indices_are_ascending_and_distinct():
    indices = match_classes("bird", IMAGENET)
    assert list(indices) == sorted(set(indices))


@pytest.mark.parametrize("noun", sorted(_WIDER_NOUNS))
def test_every_class_of_the_table_exists(noun):
    ends = [(entry,) if isinstance(entry, str) else entry for entry in _WIDER_NOUNS[noun]]
    assert {name for pair in ends for name in pair} <= set(IMAGENET)


def test_no_classes_no_match():
    assert match_classes("dog", ()) == ()
