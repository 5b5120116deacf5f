"""Compare what the scorers of `cams.scorer` know: `python -m stages.coverage DATASET`, by hand.

reads   annotations/phrases.jsonl, nouns.h5, and what says which classes there are in noun_head/ and
        weights/; no network is run
prints  for each scorer the share of phrases, and of distinct head nouns, that have a class, how
        they found it, and the most frequent nouns without one
"""

import sys
from collections.abc import Iterator
from typing import get_args

from models.grad_cam.load_scorer import ScorerKind, ScorerSource, find_routes
from models.noun_classes.detector_labels import noun_label_matches
from pipeline.command_line import stage_call
from pipeline.mentions import read_phrase_facts
from pipeline.noun_coverage import compute_coverage, rank_uncovered
from pipeline.paths import DatasetFiles
from pipeline.records import PhraseRecord, read_records

LISTED = 15  # nouns without a class


def compare_scorers(files: DatasetFiles) -> Iterator[str]:
    """Yield what to print of each scorer.

    Raises:
        InputError: the phrases or their nouns are missing.
    """
    facts = read_phrase_facts(files.nouns)
    heads = [facts[record.phrase].head for record in read_records(files.phrases, PhraseRecord)]
    nouns = sorted({head for head in heads if head is not None})
    for kind in get_args(ScorerKind):
        source = ScorerSource(files.weights, files.noun_head, noun_label_matches, kind, "{}", ())
        try:
            routes = find_routes(source, nouns)
        except ValueError as error:
            yield f"{kind}: cannot be asked: {error}"
            continue
        coverage = compute_coverage(heads, routes)
        by_route = ", ".join(f"{route} {count}" for route, count in coverage.routes.items())
        uncovered = rank_uncovered(heads, routes, LISTED)
        without_class = ", ".join(f"{noun} ({count})" for noun, count in uncovered)
        yield (
            f"{kind}: {coverage.covered:.1%} of {coverage.phrases} phrases, "
            f"{coverage.nouns_covered:.1%} of {coverage.nouns} head nouns\n"
            f"  phrases by route: {by_route}\n  without a class: {without_class or 'none'}"
        )


def main() -> None:
    """Print the comparison for the dataset that the command line names."""
    for text in compare_scorers(stage_call(__doc__).files):
        sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
