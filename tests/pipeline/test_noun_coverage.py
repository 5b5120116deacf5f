from models.phrases.places import Place
from pipeline.mentions import Mention, PhraseFacts
from pipeline.noun_coverage import (
    compute_coverage,
    covered_shares,
    describe_coverage,
    rank_uncovered,
)
from pipeline.records import PhraseRecord

ROUTES = {"dog": "first_sense", "kayak": "hypernym", "unused": "name"}
HEADS = ["dog", "man", None, "dog", "kayak", "zoo", "zoo", "自転車"]


def facts_of(nouns_of_phrase):
    """Return facts of phrases whose first noun is the head."""
    return {
        phrase: PhraseFacts(
            tuple(Mention(noun, int(number > 0)) for number, noun in enumerate(nouns)),
            is_plural=False,
            has_direction=False,
            place=Place(),
            subject=phrase,
        )
        for phrase, nouns in nouns_of_phrase.items()
    }


def test_phrases_and_distinct_nouns_are_counted_apart():
    found = compute_coverage(HEADS, ROUTES)
    assert (found.phrases, found.with_noun, found.nouns) == (8, 7, 5)
    assert found.covered == 3 / 8
    assert found.nouns_covered == 2 / 5
    routes = {"first_sense": 2, "hypernym": 1, "no noun": 1, "none": 4}
    assert [*found.routes.items()] == [*routes.items()]


def test_nothing_is_covered_where_there_is_nothing():
    found = compute_coverage([], ROUTES)
    assert (found.covered, found.nouns_covered, found.routes) == (0.0, 0.0, {})
    assert compute_coverage([None], ROUTES).nouns_covered == 0.0


def test_the_most_frequent_uncovered_nouns_come_first_and_equals_by_alphabet():
    assert rank_uncovered(HEADS, ROUTES, 2) == [("zoo", 2), ("man", 1)]
    assert rank_uncovered([*"cbabca", "dog"], ROUTES, 9) == [("a", 2), ("b", 2), ("c", 2)]
    assert rank_uncovered([], ROUTES, 2) == []


def test_only_the_head_of_a_phrase_counts_and_splits_are_told_apart():
    facts = facts_of({"a man by a dog": ["man", "dog"], "a dog": ["dog"], "that one": []})
    phrases = [
        PhraseRecord("1", "a", "train", "a man by a dog"),
        PhraseRecord("2", "a", "train", "that one"),
        PhraseRecord("3", "b", "val", "a dog"),
    ]
    described = describe_coverage(phrases, facts, ROUTES, 5)
    assert {split: counts["covered"] for split, counts in described["coverage"].items()} == {
        "train": 0.0,
        "val": 1.0,
    }
    assert described["uncovered"] == ["man (1)"]


def test_shares_are_by_scorer_and_split():
    facts = facts_of({"a dog": ["dog"], "a hut": ["hut"], "it": []})
    pairs = [("train", "a dog"), ("train", "a hut"), ("train", "it"), ("val", "a hut")]
    phrases = [PhraseRecord(str(n), "a", *pair) for n, pair in enumerate(pairs)]
    routes = {"some": {"dog": "name"}, "all": {"dog": "prompt", "hut": "prompt"}, "none": {}}
    assert covered_shares(phrases, facts, routes) == {
        "some": {"train": 0.3333, "val": 0.0},
        "all": {"train": 0.6667, "val": 1.0},
        "none": {"train": 0.0, "val": 0.0},
    }
