import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from models.grounder.checkpoint import learn_tokenizer
from pipeline.errors import InputError
from pipeline.params.train import TextLabels, WordNetLabels
from pipeline.samples.label_similarity import EXACT, LabelSimilarity, compare_labels, find_part
from tests.tiny_wordnet import write_tiny_wordnet

LABELS = ["Dog", "thing", "cat"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A BERT of random weights and a vocabulary of the nouns' letters, and a small WordNet."""
    torch.manual_seed(3)
    weights = tmp_path_factory.mktemp("weights")
    write_tiny_wordnet(weights / "wordnet")
    folder = weights / "language"
    tokenizer = learn_tokenizer(["dog thing cat puppy wolf"] * 3, 60)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=17,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return weights


def cosine(folder, tokenizer, first, second):
    """Return the cosine of two words, each encoded alone, in float64."""
    bert = BertModel.from_pretrained(folder).eval().double()
    vectors = []
    for word in (first, second):
        states = bert(**tokenizer(word, return_tensors="pt")).last_hidden_state[0]
        vectors.append(states.mean(0))
    return float(torch.nn.functional.cosine_similarity(*vectors, dim=0))


def test_a_noun_fits_its_labels_and_one_without_a_label_fits_everything_alike():
    similarity = LabelSimilarity(["cat", "ghost"], np.array([[0, 0, 0.5], [0, 0, 0]], np.float32))
    np.testing.assert_array_equal(
        similarity.of(["ghost", "cat", None, "never seen"]),
        [[1, 1, 1, 1], [0, 0, 0.5, 0], [1, 1, 1, 1], [1, 1, 1, 1]],
    )
    assert similarity.of([]).shape == (0, 4)


def test_an_anchor_without_a_label_fits_nothing():
    similarity = compare_labels(["cat", "ghost", "cat"], LABELS, EXACT, None)
    np.testing.assert_array_equal(
        similarity.of_others(["cat", "ghost", None]), [[0, 0, 1, 0], [0] * 4, [0] * 4]
    )
    assert similarity.of_others([]).shape == (0, 4)


def test_another_name_of_a_label_counts_less_than_its_own():
    params = replace(EXACT, synonym=0.25)
    similarity = compare_labels(["puppy", "dog"], LABELS, params, None)
    np.testing.assert_array_equal(similarity.of(["puppy", "dog"])[:, 0], [0.25, 1])


def test_near_labels_count_by_their_cosine_and_named_ones_as_before(weights):
    from models.grounder.encoders.language_encoder import load_tokenizer

    language = weights / "language"
    tokenizer = load_tokenizer(language)
    cosines = np.array(
        [
            [cosine(language, tokenizer, noun, label.lower()) for label in LABELS]
            for noun in ("wolf", "dog")
        ]
    )
    floor = float(np.sort(cosines[0])[1])  # of the wolf's three, the least is below it
    params = replace(EXACT, similarity="text", text=TextLabels(floor - 1e-6, weight=0.5))
    found = compare_labels(["dog", "wolf"], LABELS, params, weights).of(["wolf", "dog"])
    expected = np.where(cosines >= floor - 1e-6, 0.5 * cosines, 0)
    expected[1, 0] = 1
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-5)
    assert (found[0, :3] == 0).sum() == 1


def test_near_labels_count_by_the_senses_in_wordnet_and_named_ones_as_before(weights):
    labels = ["Pug", "poodle dog", "canoe", "wolf", "book jacket"]  # the second sense of a jacket
    dog = 1 - math.log(3, 11)  # Lin's similarity of pug and poodle: a dog is 3 of 11 senses
    nouns = ["poodle", "pug", "jacket", "wolf", "kite"]
    cases = [(1, dog - 0.01, 0.25 * dog, 0.125), (2, dog + 0.01, 0, 0.25)]
    for senses, floor, near, second in cases:
        wordnet = WordNetLabels(senses, floor=floor, weight=0.25)
        params = replace(EXACT, similarity="wordnet", synonym=0.125, wordnet=wordnet)
        found = compare_labels(nouns, labels, params, weights).of(nouns)
        expected = [
            [near, 0.25, 0, 0, 0, 0],
            [1, near, 0, 0, 0, 0],
            [0, 0, 0, 0, second, 0],
            [0, 0, 0, 1, 0, 0],
            [1] * 6,
        ]
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("similarity", ["wordnet", "text"])
def test_there_may_be_neither_noun_nor_label(weights, similarity):
    params = replace(EXACT, similarity=similarity)
    assert compare_labels([], LABELS, params, weights).of([]).shape == (0, 4)
    assert compare_labels(["dog"], [], params, weights).of(["dog"]).shape == (1, 1)


@pytest.mark.parametrize(
    ("similarity", "file"), [("wordnet", "wordnet/data.noun"), ("text", "language/config.json")]
)
def test_a_part_that_is_asked_for_and_is_not_there_or_broken_is_named(tmp_path, similarity, file):
    params = replace(EXACT, similarity=similarity)
    for weights in (None, tmp_path):
        with pytest.raises(InputError, match=rf"train\.labels\.similarity: {similarity}"):
            compare_labels(["dog"], LABELS, params, weights)
        with pytest.raises(InputError, match=file.partition("/")[0]):
            find_part(params, weights)
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text("{")
    with pytest.raises(InputError, match=str((tmp_path / file).parent)):
        compare_labels(["dog"], LABELS, params, tmp_path)


def test_names_alone_need_no_part():
    assert find_part(EXACT, None) is None
