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
from pipeline.mentions import read_mentions
from pipeline.noun_coverage import compute_coverage, head_nouns, rank_uncovered
from pipeline.paths import DatasetFiles
from pipeline.records import PhraseRecord, read_records
from pipeline.runtime import stage_arguments

LISTED = 15  # nouns without a class


def compare_scorers(files: DatasetFiles) -> Iterator[str]:
    """Yield what to print of each scorer.

    Raises:
        InputError: the phrases or their nouns are missing.
    """
    heads = head_nouns(read_records(files.phrases, PhraseRecord), read_mentions(files.nouns))
    nouns = sorted({head for head in heads if head is not None})
    for kind in get_args(ScorerKind):
        source = ScorerSource(files.weights, files.noun_head, noun_label_matches, kind, "{}", ())
        try:
            routes = find_routes(source, nouns)
        except ValueError as error:
            yield f"{kind}: cannot be asked: {error}"
            continue
        found = compute_coverage(heads, routes)
        told = ", ".join(f"{route} {count}" for route, count in found.routes.items())
        ranked = rank_uncovered(heads, routes, LISTED)
        without = ", ".join(f"{noun} ({count})" for noun, count in ranked)
        yield (
            f"{kind}: {found.covered:.1%} of {found.phrases} phrases, "
            f"{found.nouns_covered:.1%} of {found.nouns} head nouns\n"
            f"  phrases by route: {told}\n  without a class: {without or 'none'}"
        )


def main() -> None:
    """Print the comparison for the dataset that the command line names."""
    for text in compare_scorers(DatasetFiles(stage_arguments(__doc__).dataset)):
        sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
