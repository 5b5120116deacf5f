import math
from random import Random

import numpy as np
import pytest

from models.noun_classes.wordnet import Synset, WordNet, read_wordnet
from models.noun_classes.wordnet_similarity import LabelSenses
from tests.tiny_wordnet import write_tiny_wordnet

NUM_SENSES = 29


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return read_wordnet(write_tiny_wordnet(tmp_path_factory.mktemp("wordnet")))


def draw_hypernyms(random):
    """Return the hypernyms of senses in any order; all but the first have one to three."""
    senses = random.sample(range(NUM_SENSES), NUM_SENSES)
    return {
        sense: tuple(random.sample(senses[:number], min(number, random.choice([1, 1, 3]))))
        for number, sense in enumerate(senses)
    }


def kinds_of(sense, hypernyms):
    """Return a sense and all below it, by passing the graph until nothing is new."""
    kinds, old = {sense}, None
    while kinds != old:
        old = set(kinds)
        kinds |= {below for below, above in hypernyms.items() if kinds & set(above)}
    return kinds


def lin(first, second, hypernyms):
    """Return Lin's similarity by a loop over every sense, float64."""
    kinds = {sense: kinds_of(sense, hypernyms) for sense in hypernyms}
    told = {
        sense: 1 - math.log(len(below)) / math.log(NUM_SENSES) for sense, below in kinds.items()
    }
    shared = max(told[sense] for sense, below in kinds.items() if {first, second} <= below)
    both = told[first] + told[second]
    return 2 * shared / both if both else 0.0


@pytest.mark.parametrize("num_senses", [1, 2])
def test_it_is_the_most_that_a_loop_over_all_senses_finds(num_senses):
    random = Random(num_senses)
    hypernyms = draw_hypernyms(random)
    synsets = {
        sense: Synset(above, tuple(low for low in hypernyms if sense in hypernyms[low]))
        for sense, above in hypernyms.items()
    }
    words = {f"w{number}": (number, *random.sample(range(NUM_SENSES), 2)) for number in range(17)}
    labels, nouns = list(words)[:11], list(words)[6:]
    found = LabelSenses(WordNet(synsets, words), labels, num_senses)
    expected = [
        [
            max(
                lin(first, second, hypernyms)
                for first in words[noun][:num_senses]
                for second in words[label][:num_senses]
            )
            for label in labels
        ]
        for noun in nouns
    ]
    np.testing.assert_allclose([found.similarity(noun) for noun in nouns], expected, atol=1e-6)
    assert len(np.unique(expected)) > 20


def test_a_hand_drawn_case(tiny):
    """Of eleven senses a dog is three, a board three, a canoe two; entity is all of them."""
    dog, canoe = 1 - math.log(3, 11), 1 - math.log(2, 11)
    labels = ["Pug", "dog", "kayak", "entity"]
    poodle, boat = (LabelSenses(tiny, labels, 2).similarity(noun) for noun in ("poodle", "canoe"))
    np.testing.assert_allclose(poodle, [dog, 2 * dog / (1 + dog), 0, 0], atol=1e-6)
    np.testing.assert_allclose(boat, [0, 0, 2 * canoe / (1 + canoe), 0], atol=1e-6)
    np.testing.assert_array_equal(LabelSenses(tiny, labels, 2).similarity("entity"), [0] * 4)


def test_a_name_goes_by_its_whole_text_then_by_its_last_word_and_singulars(tiny):
    labels = ["book_jacket", "leather jackets", "old poodle dog", "red poodles", "nothing known"]
    found = LabelSenses(tiny, labels, 1)
    np.testing.assert_array_equal(found.similarity("jacket"), [0, 1, 0, 0, 0])
    dog = 1 - math.log(3, 11)
    np.testing.assert_allclose(
        found.similarity("poodle"), [0, 0, 2 * dog / (1 + dog), 1, 0], atol=1e-6
    )
    np.testing.assert_array_equal(found.similarity("unknown"), [0] * 5)


def test_later_senses_count_where_they_are_asked_for(tiny):
    for num_senses, expected in ((1, 0), (2, 1)):
        found = LabelSenses(tiny, ["jacket"], num_senses)
        np.testing.assert_array_equal(found.similarity("book jacket"), [expected])


def test_there_may_be_no_label(tiny):
    assert LabelSenses(tiny, [], 2).similarity("dog").shape == (0,)
