import numpy as np
import pytest

from pipeline.samples.vocabulary import WordVocabulary, build_vocabulary, split_words


def test_words_are_lower_case_and_without_punctuation():
    assert split_words("The man's RED-white t-shirt, (left)!") == [
        "the", "man's", "red", "white", "t", "shirt", "left",
    ]  # fmt: skip


def test_frequent_words_come_first_and_rare_ones_are_left_out():
    vocabulary = build_vocabulary(["a red cup", "a cup", "a blue cup", "red"], min_count=2)
    assert vocabulary.words == ("<pad>", "<eos>", "<unk>", "a", "cup", "red")


def test_every_phrase_ends_and_shorter_ones_are_padded():
    vocabulary = WordVocabulary(("<pad>", "<eos>", "<unk>", "a", "cup"))
    word_ids, word_mask = vocabulary.encode(["a blue cup", "cup"], max_words=5)
    np.testing.assert_array_equal(word_ids, [[3, 2, 4, 1], [4, 1, 0, 0]])
    np.testing.assert_array_equal(word_mask, [[1, 1, 1, 1], [1, 1, 0, 0]])
    assert word_ids.dtype == np.int64


def test_ids_of_the_known_words_of_phrases_come_once_and_in_order():
    vocabulary = WordVocabulary(("<pad>", "<eos>", "<unk>", "left", "cup", "top"))
    assert vocabulary.known_ids(["Top left", "far left", "", "<pad>"]) == [3, 5]
    assert vocabulary.known_ids(iter(())) == []


def test_a_long_phrase_is_cut_and_still_ends():
    vocabulary = WordVocabulary(("<pad>", "<eos>", "<unk>", "a"))
    word_ids, _ = vocabulary.encode(["a a a a a"], max_words=2)
    np.testing.assert_array_equal(word_ids, [[3, 3, 1]])


@pytest.mark.parametrize("phrase", ["", "?!", "🙂"])
def test_a_phrase_without_a_word_is_only_its_end(phrase):
    word_ids, word_mask = WordVocabulary(("<pad>", "<eos>", "<unk>")).encode([phrase], 3)
    assert word_ids.tolist() == [[1]]
    assert word_mask.tolist() == [[True]]


def test_no_phrases_give_no_rows():
    assert WordVocabulary(("<pad>", "<eos>", "<unk>")).encode([], 3)[0].shape == (0, 1)
