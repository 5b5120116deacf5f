"""The section of a report on the data: their size, and what limits any method on them."""

from collections.abc import Mapping
from typing import Any

from pipeline.reporting.document import Block, Paragraph, Section, Table

RECALL_SHOWN = ("10", "50", "100")  # of the first proposals
Facts = Mapping[str, Any]


def collect_data(
    annotations: Facts, nouns: Facts, evaluated: Mapping[str, Facts]
) -> dict[str, Any]:
    """Return what several stages have written of the data of each split.

    Args:
        annotations: `summary.json` of the annotations stage.
        nouns: `cams_coverage.json`.
        evaluated: `splits` of `evaluation.json`.

    Returns:
        The content of `data.json`; docs/formats.md lists the keys.
    """
    splits = {
        split: {
            **counts,
            "published": annotations["published"].get(split),
            "repeated_phrases": annotations["duplicates"]["repeated_phrases"][split],
            **_nouns(split, nouns),
            "proposal_recall": _recall(evaluated.get(split)),
        }
        for split, counts in annotations["splits"].items()
    }
    copied = ("bad", "bad_fractions", "remarks")
    shared = {key: annotations["duplicates"][key] for key in ("shared_files", "shared_copies")}
    return {"splits": splits, **shared, **{key: annotations[key] for key in copied}}


def data_section(data: Facts) -> Section:
    """Return the section that shows what `collect_data` has joined."""
    scorers = sorted({name for row in data["splits"].values() for name in row["noun_coverage"]})
    columns = ("split", "images", "phrases", "published", "repeated", "without a noun",
               *(f"class in {name}" for name in scorers),
               *(f"oracle@{rank}" for rank in RECALL_SHOWN))  # fmt: skip
    rows = [_row(split, facts, scorers) for split, facts in data["splits"].items()]
    text = (
        "Published: phrases and images of the whole split. Repeated: phrases that another one of "
        "the same image equals. Class in: the head noun has one, in the CAM scorer of that name. "
        "Shares are of all phrases of the split; oracle@k: one of the first "
        "k proposals is a hit, the most that choosing among them can give."
    )
    blocks: list[Block] = [Paragraph(text), Table(columns, rows)]
    blocks += [Paragraph(remark, warning=True) for remark in data["remarks"]]
    blocks += [Paragraph(text, warning=True) for text in _shared(data)]
    bad = [
        [cause, f"{counts['count']:,}", counts["examples"][0]]
        for cause, counts in data["bad"].items()
    ]
    if bad:
        blocks.append(Table(("skipped or repaired", "count", "first"), bad))
    return Section("Data", blocks)


def _nouns(split: str, nouns: Facts) -> dict[str, Any]:
    counts = nouns["coverage"].get(split, {"phrases": 0, "with_noun": 0})
    shares = {
        name: of_split[split] for name, of_split in nouns["scorers"].items() if split in of_split
    }
    without = counts["phrases"] - counts["with_noun"]
    return {"phrases_without_noun": without, "noun_coverage": shares}


def _recall(evaluated: Facts | None) -> dict[str, float]:
    recall = evaluated["proposal_recall"] if evaluated else {}
    return {rank: recall[rank] for rank in RECALL_SHOWN if rank in recall}


def _row(split: str, facts: Facts, scorers: list[str]) -> list[str]:
    published = facts["published"]
    return [
        split,
        f"{facts['images']:,}",
        f"{facts['phrases']:,}",
        f"{published[1]:,} on {published[0]:,}" if published else "",
        f"{facts['repeated_phrases']:,}",
        _percent(facts["phrases_without_noun"] / max(facts["phrases"], 1)),
        *(_percent(facts["noun_coverage"].get(name)) for name in scorers),
        *(_percent(facts["proposal_recall"].get(rank)) for rank in RECALL_SHOWN),
    ]


def _shared(data: Facts) -> list[str]:
    ways = {"shared_files": "are listed by both", "shared_copies": "are copies under other names"}
    return [
        f"{pair}: {pictures['images']:,} images {text}, such as {pictures['examples'][0]}."
        for key, text in ways.items()
        for pair, pictures in data[key].items()
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
