from models.classifier.classifier import imagenet_classes
from models.noun_classes.class_names import find_classes, match_classes
from models.noun_classes.imagenet import NounClasses

IMAGENET = imagenet_classes()


def test_a_noun_is_the_last_word_of_a_class():
    assert match_classes("fox", ("red fox", "house", "kit fox", "fox terrier")) == (0, 2)


def test_a_noun_is_no_first_or_inner_word_of_a_class():
    assert match_classes("fire", ("fire engine", "wild fire truck")) == ()


def test_any_synonym_between_commas_counts():
    classes = ("Siamese cat, Siamese", "great grey owl, Strix nebulosa", "wine bottle")
    assert match_classes("siamese", classes) == (0,)
    assert match_classes("owl", classes) == (1,)


def test_nothing_between_commas_is_no_name():
    assert match_classes("cat", ("tabby cat, ", ",dog", "")) == (0,)
    assert match_classes("dog", ("tabby cat, ", ", dog", "")) == (1,)


def test_no_classes_no_match():
    assert match_classes("dog", ()) == ()


def test_imagenets_classes_are_found_by_wordnet_and_any_others_by_name():
    boat = find_classes(["boat", "man", "ship"], IMAGENET)
    assert list(boat) == ["boat", "ship"]
    assert IMAGENET.index("canoe") in boat["boat"].classes
    assert boat["boat"].route == "first_sense"
    assert find_classes(["boat", "man", "ship"], list(IMAGENET)) == boat
    drawn = find_classes(["boat", "man"], ("red boat", "canoe"))
    assert drawn == {"boat": NounClasses((0,), "name")}


def test_no_nouns_find_nothing():
    assert find_classes([], IMAGENET) == {}
