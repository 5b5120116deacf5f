from collections import Counter

from benchmarks.made.phrases import RANKS, distinct_phrases, natural_phrases, phrases_of_pictures


def test_phrases_repeat_as_often_as_peoples_do():
    # of the first 50,000 of Flickr30K Entities: 28 % distinct, 3.5 % the most frequent, 2.3 words
    drawn = natural_phrases(50_000)
    assert 0.25 < len(set(drawn)) / len(drawn) < 0.31
    assert 0.02 < Counter(drawn).most_common(1)[0][1] / len(drawn) < 0.05
    assert 2.1 < sum(len(text.split()) for text in drawn) / len(drawn) < 2.5


def test_no_phrase_has_two_ranks():
    every = distinct_phrases(RANKS)
    assert len(set(every)) == RANKS


def test_the_phrases_of_a_picture_are_about_different_nouns():
    first, second = phrases_of_pictures(2, 7)
    assert len({text.split()[-1] for text in first}) == 7
    assert first != second
