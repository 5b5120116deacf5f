"""Counts of the usable and the bad records of a data set; too many bad ones stop the stage."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.given_files.foreign_values import printable
from pipeline.datasets.duplicates import Duplicates, find_duplicates
from pipeline.datasets.published import UNKNOWN, Published
from pipeline.datasets.reading import BadRecord, ImageReading
from pipeline.errors import InputError

NUM_EXAMPLES = 5  # of each cause, in the summary


@dataclass(frozen=True)
class SplitCounts:
    """Usable records of a split.

    Attributes:
        images: number of usable images.
        images_without_phrases: number of these without a phrase.
        phrases: number of phrases for training or evaluation.
    """

    images: int
    images_without_phrases: int
    phrases: int


@dataclass(frozen=True)
class BadCounts:
    """Bad records of one cause.

    Attributes:
        kind: `image` or `phrase`.
        count: number of cases.
        examples: details of the first cases.
    """

    kind: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """Counts of a whole data set, the content of `summary.json`.

    Attributes:
        splits: by split.
        bad: by cause.
        bad_fractions: `image`: share of bad images; `phrase`: share of bad phrases, without those
            of unusable images.
        duplicates: repeated phrases and shared images.
        published: (images, phrases) of each split as published, where known.
        remarks: caveats on this data set.
    """

    splits: Mapping[str, SplitCounts]
    bad: Mapping[str, BadCounts]
    bad_fractions: Mapping[str, float]
    duplicates: Duplicates
    published: Mapping[str, tuple[int, int]]
    remarks: tuple[str, ...]


def summarise(
    readings: Sequence[ImageReading],
    bad_before: Sequence[BadRecord] = (),
    remarks: Sequence[str] = (),
    published: Published | None = None,
) -> Summary:
    """Return the counts of what was read.

    Args:
        readings: of all images.
        bad_before: what was skipped before any image was read.
        remarks: caveats of the reader.
        published: facts on the data set, if it is a published one.
    """
    bad = [*bad_before, *(problem for reading in readings for problem in reading.bad)]
    num_bad: Counter[str] = Counter(problem.kind for problem in bad)
    num_phrases = sum(len(reading.phrases) for reading in readings)
    num_images = len(readings) + sum(problem.kind == "image" for problem in bad_before)
    totals = {"image": num_images, "phrase": num_phrases + num_bad["phrase"]}
    fractions = {kind: num_bad[kind] / max(total, 1) for kind, total in totals.items()}
    counts = published.counts if published else {}
    return Summary(
        splits=_count_splits(readings),
        bad=_count_causes(bad),
        bad_fractions=fractions,
        duplicates=find_duplicates(readings),
        published={split: pair for split, pair in counts.items() if pair != UNKNOWN},
        remarks=(*([published.remark] if published and published.remark else []), *remarks),
    )


def check_usable(name: str, summary: Summary, max_bad_fraction: float, is_trained_on: bool) -> None:
    """Raise an error if too much of a data set is bad, or a part of it is missing.

    Args:
        name: of the data set, for messages.
        summary: counts of the data set.
        max_bad_fraction: largest share of bad images, and of bad phrases.
        is_trained_on: whether there must be phrases for training.

    Raises:
        InputError: the share is larger, or there is no phrase for evaluation or for a training.
    """
    worst = max(summary.bad_fractions.values())
    if worst > max_bad_fraction:
        causes = "; ".join(
            f"{counts.count} x {cause}, first: {counts.examples[0]}"
            for cause, counts in summary.bad.items()
        )
        raise InputError(
            f"{name}: {worst:.1%} of the records are bad, more than annotations.max_bad_fraction "
            f"({max_bad_fraction:.1%}) allows: {causes}; mend the files or raise the value"
        )
    usable = {split for split, counts in summary.splits.items() if counts.phrases}
    found = f"found some in: {', '.join(sorted(usable)) or 'no split'}"
    if not usable - {"train"}:
        raise InputError(f"{name}: there must be phrases to evaluate; {found}")
    if is_trained_on and "train" not in usable:
        raise InputError(
            f"{name}: there must be phrases to train with; {found}; to evaluate models of another "
            "dataset on it, put it into run.targets instead of run.datasets"
        )


def describe_counts(summary: Summary) -> list[str]:
    """Return one line per split, with the published counts where there are any, and remarks."""
    lines = []
    for split, counts in summary.splits.items():
        line = f"{split}: {counts.phrases:,} phrases on {counts.images:,} images"
        if split in summary.published:
            images, phrases = summary.published[split]
            same = (images, phrases) == (counts.images, counts.phrases)
            line += "; as published" if same else f"; published: {phrases:,} on {images:,}"
        lines.append(line)
    missing = sorted(set(summary.published) - set(summary.splits))
    lines += [f"{split}: none; published: {summary.published[split][1]:,}" for split in missing]
    return [*lines, *_describe_duplicates(summary.duplicates), *summary.remarks]


def _describe_duplicates(duplicates: Duplicates) -> list[str]:
    lines = [
        f"{split}: {count:,} phrases repeat another of the same image"
        for split, count in duplicates.repeated_phrases.items()
        if count
    ]
    for what, shared in (
        ("are listed by both", duplicates.shared_files),
        ("are copies under other names", duplicates.shared_copies),
    ):
        lines += [
            f"{pair}: {images.images:,} images {what}, such as {images.examples[0]}"
            for pair, images in shared.items()
        ]
    return lines


def _count_splits(readings: Sequence[ImageReading]) -> dict[str, SplitCounts]:
    by_split: dict[str, list[ImageReading]] = defaultdict(list)
    for reading in readings:
        if reading.image is not None:
            by_split[reading.image.split].append(reading)
    return {
        split: SplitCounts(
            images=len(group),
            images_without_phrases=sum(not reading.phrases for reading in group),
            phrases=sum(len(reading.phrases) for reading in group),
        )
        for split, group in by_split.items()
    }


def _count_causes(bad: Sequence[BadRecord]) -> dict[str, BadCounts]:
    by_cause: dict[str, list[BadRecord]] = defaultdict(list)
    for problem in bad:
        by_cause[printable(problem.cause)].append(problem)
    return {
        cause: BadCounts(
            group[0].kind,
            len(group),
            tuple(printable(problem.detail) for problem in group[:NUM_EXAMPLES]),
        )
        for cause, group in sorted(by_cause.items())
    }
