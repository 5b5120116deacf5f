from pipeline.mentions import Mention
from pipeline.noun_coverage import (
    compute_coverage,
    covered_shares,
    describe_coverage,
    head_nouns,
    rank_uncovered,
)
from pipeline.records import PhraseRecord

ROUTES = {"dog": "first_sense", "kayak": "hypernym", "unused": "name"}
HEADS = ["dog", "man", None, "dog", "kayak", "hut", "hut", "自転車"]


def test_phrases_and_distinct_nouns_are_counted_apart():
    found = compute_coverage(HEADS, ROUTES)
    assert (found.phrases, found.with_noun, found.nouns) == (8, 7, 5)
    assert found.covered == 3 / 8
    assert found.nouns_covered == 2 / 5
    assert found.routes == {"first_sense": 2, "hypernym": 1, "no noun": 1, "none": 4}


def test_nothing_is_covered_where_there_is_nothing():
    found = compute_coverage([], ROUTES)
    assert (found.covered, found.nouns_covered, found.routes) == (0.0, 0.0, {})
    assert compute_coverage([None], ROUTES).nouns_covered == 0.0


def test_the_most_frequent_uncovered_nouns_come_first_and_equals_by_alphabet():
    assert rank_uncovered(HEADS, ROUTES, 2) == [("hut", 2), ("man", 1)]
    assert rank_uncovered([], ROUTES, 2) == []


def test_only_the_head_of_a_phrase_counts_and_splits_are_told_apart():
    mentions = {
        "a man by a dog": [Mention("man", 0), Mention("dog", 1)],
        "a dog": [Mention("dog", 0)],
        "that one": [],
    }
    phrases = [
        PhraseRecord("1", "a", "train", "a man by a dog"),
        PhraseRecord("2", "a", "train", "that one"),
        PhraseRecord("3", "b", "val", "a dog"),
    ]
    assert head_nouns(phrases, mentions) == ["man", None, "dog"]
    told = describe_coverage(phrases, mentions, ROUTES, 5)
    assert {split: counts["covered"] for split, counts in told["coverage"].items()} == {
        "train": 0.0,
        "val": 1.0,
    }
    assert told["uncovered"] == ["man (1)"]


def test_shares_are_by_scorer_and_split():
    mentions = {"a dog": [Mention("dog", 0)], "a hut": [Mention("hut", 0)], "it": []}
    told = [("train", "a dog"), ("train", "a hut"), ("train", "it"), ("val", "a hut")]
    phrases = [PhraseRecord(str(n), "a", *pair) for n, pair in enumerate(told)]
    routes = {"some": {"dog": "name"}, "all": {"dog": "prompt", "hut": "prompt"}, "none": {}}
    assert covered_shares(phrases, mentions, routes) == {
        "some": {"train": 0.3333, "val": 0.0},
        "all": {"train": 0.6667, "val": 1.0},
        "none": {"train": 0.0, "val": 0.0},
    }
