import numpy as np
import pytest

from models.noun_classes.detector_labels import noun_label_matches


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


def test_rows_are_nouns_and_columns_are_labels():
    nouns, labels = ["cup", "lantern", "animal"], ["cat", "cup", "dog", "vase", "wine glass"]

    matches = noun_label_matches(nouns, labels)

    expected = [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 1, 0, 0]]
    np.testing.assert_array_equal(matches, np.array(expected, bool))


@pytest.mark.parametrize(("nouns", "labels"), [([], ["cat"]), (["cat"], []), ([], [])])
def test_no_nouns_and_no_labels_match_nothing(nouns, labels):
    matches = noun_label_matches(nouns, labels)

    assert matches.shape == (len(nouns), len(labels))
