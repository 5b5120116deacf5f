import numpy as np
import pytest

from models.noun_classes.detector_labels import (
    names_of,
    noun_label_matches,
    noun_label_similarity,
)


@pytest.mark.parametrize(
    ("noun", "label"),
    [
        ("woman", "person"),
        ("dog", "dog"),
        ("puppy", "Dog"),
        ("sofa", "couch"),
        ("bike", "bicycle"),
        ("football", "sports ball"),
        ("stuffed bear", "teddy bear"),
        ("table", "dining table"),
        ("hydrant", "fire_hydrant"),
        ("cap", "baseball cap"),
        ("tree", "trees"),
        ("cherry", "ripe cherries"),
        ("bush", "bushes"),
        ("star", "star"),
        ("person", "people"),
        ("man", "group of men"),
    ],
)
def test_a_noun_means_its_label(noun, label):
    assert noun_label_matches([noun], [label])[0, 0]


@pytest.mark.parametrize(
    ("noun", "label"),
    [
        ("dog", "hot dog"),
        ("bear", "teddy bear"),
        ("lion", "sea lion"),
        ("bear", "polar bear"),
        ("pig", "guinea pig"),
        ("cream", "ice cream"),
        ("person", "dog"),
        ("shirt", "person"),
        ("light", "traffic light"),
        ("baseball", "baseball cap"),
        ("glas", "glass"),
        ("", "person"),
    ],
)
def test_a_part_of_a_label_means_something_else(noun, label):
    assert not noun_label_matches([noun], [label])[0, 0]


def test_a_label_in_an_irregular_plural_means_its_noun():
    singular = ["person", "man", "woman", "child", "foot", "tooth", "mouse", "goose", "leaf"]
    plural = ["people", "men", "women", "children", "feet", "teeth", "mice", "geese", "leaves"]
    singular += ["shelf", "knife", "scarf"]
    plural += ["shelves", "knives", "scarves"]
    np.testing.assert_array_equal(noun_label_matches(singular, plural), np.eye(12))
    assert names_of("knives") == ("knives", "knife")


def test_rows_are_nouns_and_columns_are_labels():
    nouns, labels = ["cup", "lantern", "animal"], ["cat", "cup", "dog", "vase", "wine glass"]

    matches = noun_label_matches(nouns, labels)

    expected = [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 1, 0, 0]]
    np.testing.assert_array_equal(matches, np.array(expected, bool))


@pytest.mark.parametrize(("nouns", "labels"), [([], ["cat"]), (["cat"], []), ([], [])])
def test_no_nouns_and_no_labels_match_nothing(nouns, labels):
    matches = noun_label_matches(nouns, labels)

    assert matches.shape == (len(nouns), len(labels))


def test_a_label_s_own_name_counts_for_one_and_another_name_as_much_as_is_said():
    nouns = ["dog", "puppy", "cap", "baseball cap", "tree", "moon"]
    labels = ["Dog", "baseball_cap", "trees"]
    expected = [[1, 0, 0], [0.25, 0, 0], [0, 0.25, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_array_equal(noun_label_similarity(nouns, labels, 0.25), expected)
    np.testing.assert_array_equal(
        noun_label_similarity(nouns, labels, 1.0), noun_label_matches(nouns, labels)
    )
    assert noun_label_similarity([], labels, 0.5).shape == (0, 3)
    assert noun_label_similarity(nouns, [], 0.5).shape == (6, 0)


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("Baseball_caps", ("baseball caps", "baseball cap", "caps", "cap")),
        ("hot dog", ("hot dog",)),
        ("men", ("men", "man")),
    ],
)
def test_the_whole_label_is_its_best_name(label, names):
    assert names_of(label) == names
