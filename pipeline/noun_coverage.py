"""For how many phrases a scorer has a class of the head noun, and how it came to have it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.mentions import PhraseFacts
from pipeline.records import PhraseRecord

NO_NOUN, NO_CLASS = "no noun", "none"


@dataclass(frozen=True)
class NounCoverage:
    """Counts over phrases.

    Attributes:
        phrases: all of them.
        with_noun: those that have a head noun.
        covered: share of all phrases whose head noun has a class, in [0, 1], 0 without phrases.
        nouns: distinct head nouns.
        nouns_covered: share of them that has a class, in [0, 1], 0 without nouns.
        routes: phrases by how their head noun found its class; `none` and `no noun` among them.
    """

    phrases: int
    with_noun: int
    covered: float
    nouns: int
    nouns_covered: float
    routes: dict[str, int]


def compute_coverage(heads: Sequence[str | None], routes: Mapping[str, str]) -> NounCoverage:
    """Count the phrases that a scorer covers.

    Args:
        heads: the head noun of each phrase, None where it has none.
        routes: how each noun that has a class found it.
    """
    nouns = {head for head in heads if head is not None}
    counts = Counter(NO_NOUN if head is None else routes.get(head, NO_CLASS) for head in heads)
    covered = len(heads) - counts[NO_NOUN] - counts[NO_CLASS]
    return NounCoverage(
        phrases=len(heads),
        with_noun=len(heads) - counts[NO_NOUN],
        covered=_share(covered, len(heads)),
        nouns=len(nouns),
        nouns_covered=_share(len(nouns & routes.keys()), len(nouns)),
        routes=dict(sorted(counts.items())),
    )


def rank_uncovered(
    heads: Sequence[str | None], routes: Mapping[str, str], most: int
) -> list[tuple[str, int]]:
    """Return the head nouns without a class and in how many phrases they are, most frequent first.

    Equally frequent ones are ordered by alphabet.
    """
    counts = Counter(head for head in heads if head is not None and head not in routes)
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:most]


def describe_coverage(
    phrases: Sequence[PhraseRecord],
    facts: Mapping[str, PhraseFacts],
    routes: Mapping[str, str],
    most: int,
) -> dict[str, Any]:
    """Return `coverage`, a `NounCoverage` as a mapping per split, and `uncovered`, "noun (count)".

    Args:
        phrases: of any splits.
        facts: by text, of every phrase.
        routes: how each noun that has a class found it.
        most: so many uncovered nouns of all splits together.
    """
    heads_of_split: dict[str, list[str | None]] = {}
    for record in phrases:
        heads_of_split.setdefault(record.split, []).append(facts[record.phrase].head)
    heads = [facts[record.phrase].head for record in phrases]
    return {
        "coverage": {
            split: asdict(compute_coverage(split_heads, routes))
            for split, split_heads in heads_of_split.items()
        },
        "uncovered": [f"{noun} ({count})" for noun, count in rank_uncovered(heads, routes, most)],
    }


def covered_shares(
    phrases: Sequence[PhraseRecord],
    facts: Mapping[str, PhraseFacts],
    routes_by_scorer: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, float]]:
    """Return, by scorer and split, the share of all phrases whose head noun has a class, [0, 1]."""
    coverages = {
        scorer: describe_coverage(phrases, facts, routes, 0)["coverage"]
        for scorer, routes in routes_by_scorer.items()
    }
    return {
        scorer: {split: counts["covered"] for split, counts in coverage.items()}
        for scorer, coverage in coverages.items()
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
