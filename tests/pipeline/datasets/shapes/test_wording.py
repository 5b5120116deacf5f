from collections import Counter

import numpy as np
import pytest

from pipeline.datasets.shapes.semantics import (
    BySize,
    Corner,
    Description,
    Extreme,
    Meaning,
    Relation,
    Side,
)
from pipeline.datasets.shapes.vocabulary import CLASSES, HYPERNYMS
from pipeline.datasets.shapes.wording import word_meaning

UPOS = {"ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "NUM", "PRON", "VERB"}


def test_the_tagged_words_are_the_text(told):
    assert all(
        " ".join(word.text for word in phrase.words_with_upos) == phrase.text for _, phrase in told
    )


def test_words_carry_tags_of_universal_dependencies(told):
    words = [word for _, phrase in told for word in phrase.words_with_upos]
    assert {word.upos for word in words} <= UPOS
    assert {word.xpos for word in words if word.upos == "NOUN"} == {"NN", "NNS"}
    assert all(word.feats == "_" or "=" in word.feats for word in words)


def test_the_same_word_is_tagged_by_its_use(told):
    left = {word.upos for _, phrase in told for word in phrase.words_with_upos if word[0] == "left"}
    assert left == {"ADJ", "ADV", "NOUN"}


def test_every_phrase_has_a_noun_of_the_world(told):
    heads = {w.text.lower() for _, p in told for w in p.words_with_upos if w.upos == "NOUN"}
    assert heads >= {"cup", "mug", "fish", "thing", "one", "umbrellas"}
    assert all(any(w.upos == "NOUN" for w in p.words_with_upos) for _, p in told)


CUP = CLASSES.index("cup")
RED = Description(CUP, colour="red")
STRIPED = Description(CUP, texture="striped")
DRAWS = 400


def texts(meaning, use_synonym=False, num_targets=1):
    """Return how often a meaning is said in which words."""
    rng = np.random.default_rng(0)
    phrases = [word_meaning(rng, meaning, use_synonym, num_targets) for _ in range(DRAWS)]
    return Counter(" ".join(word.text for word in phrase).lower() for phrase in phrases)


def test_a_plain_description_has_an_article_in_two_of_three_phrases():
    said = texts(Meaning(Description(CUP)))
    assert set(said) == {"the cup", "cup"}
    assert said["the cup"] / DRAWS == pytest.approx(0.65, abs=0.08)


def test_a_few_phrases_begin_with_a_capital():
    rng = np.random.default_rng(0)
    first = [word_meaning(rng, Meaning(RED), False, 1)[0].text for _ in range(2000)]
    assert np.mean([word[0].isupper() for word in first]) == pytest.approx(0.03, abs=0.015)


def test_a_colour_may_trail_where_nothing_else_follows():
    said = texts(Meaning(RED))
    assert set(said) == {"the red cup", "red cup", "the cup that is red", "cup that is red"}
    trailing = sum(count for text, count in said.items() if text.endswith("that is red"))
    assert trailing / DRAWS == pytest.approx(0.1, abs=0.05)
    assert not any("that is red" in text for text in texts(Meaning(RED, Side("left"))))
    assert not any("that is" in text for text in texts(Meaning(RED), num_targets=2))


def test_a_texture_stands_before_or_behind_its_noun_and_never_twice():
    said = texts(Meaning(STRIPED))
    assert {text.removeprefix("the ") for text in said} == {"striped cup", "cup with stripes"}
    behind = sum(count for text, count in said.items() if text.endswith("with stripes"))
    assert behind / DRAWS == pytest.approx(0.35, abs=0.08)
    dotted = texts(Meaning(Description(CUP, texture="dotted")))
    assert {text.removeprefix("the ") for text in dotted} == {
        "dotted cup",
        "spotted cup",
        "cup with dots",
    }


def test_sizes_go_before_textures_and_textures_before_colours():
    looks = Description(CUP, "red", "dotted", "large")
    said = {text.removeprefix("the ") for text in texts(Meaning(looks))}
    assert "big dotted red cup" in said
    assert "large spotted red cup" in said
    assert "large red cup with dots" in said


def test_a_noun_may_be_a_synonym_or_where_no_class_is_said_a_hypernym():
    assert set(texts(Meaning(Description(CUP)), use_synonym=True)) == {"the mug", "mug"}
    unnamed = texts(Meaning(Description(colour="red")))
    nouns = {noun for noun in HYPERNYMS if any(noun in text.split() for text in unnamed)}
    assert nouns == set(HYPERNYMS)


@pytest.mark.parametrize(("num_targets", "word"), [(2, "two"), (3, "three")])
def test_groups_are_said_in_the_plural_with_their_number(num_targets, word):
    said = texts(Meaning(RED), num_targets=num_targets)
    assert all("red cups" in text for text in said)
    assert any(word in text.split() for text in said)
    assert not any(other in text.split() for text in said for other in {"two", "three"} - {word})


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Extreme("left", 1), ("left", "leftmost")),
        (Extreme("top", 1), ("top", "topmost", "highest", "uppermost")),
        (Extreme("right", 2), ("second",)),
        (Extreme("bottom", 3), ("third",)),
        (Corner("top", "left"), ("upper", "top")),
        (Corner("bottom", "right"), ("lower", "bottom")),
        (BySize(True), ("biggest", "largest")),
        (BySize(False), ("smallest", "tiniest")),
        (Side("bottom"), ("bottom", "lower")),
    ],
)
def test_every_way_to_say_a_place_is_its_own(place, words):
    said = texts(Meaning(Description(CUP), place))
    assert all(any(word in text.split() for word in words) for text in said)
    if isinstance(place, Extreme) and place.rank > 1:
        assert all(place.direction in text.split() for text in said)
    if isinstance(place, Corner):
        assert all(place.horizontal in text.split() for text in said)
        assert all(any(word in text.split() for text in said) for word in words)


def test_a_landmark_has_an_article_its_own_looks_and_at_times_another_name():
    landmark = Description(CLASSES.index("lamp"), colour="blue")
    said = texts(Meaning(Description(CUP), Relation("near", landmark)))
    assert all(text.split()[-1] in ("lamp", "lantern") for text in said)
    assert all("blue" in text.split() for text in said)
    lanterns = sum(count for text, count in said.items() if text.endswith("lantern"))
    assert lanterns / DRAWS == pytest.approx(0.08, abs=0.05)
    articles = Counter()
    for text, count in said.items():
        articles[text.split()[-3]] += count
    assert articles["the"] > 5 * articles["a"] / 2 > 0
