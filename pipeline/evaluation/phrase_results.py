"""The answers of every method to a phrase, and their scores.

Shapes: R proposals, C columns of `metrics.COLUMNS`, P phrases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.evaluation import baselines, metrics
from pipeline.evaluation.baselines import BaselineInputs
from pipeline.mentions import PhraseFacts
from pipeline.params.schema import EvaluateParams
from pipeline.records import GroundTruth, PhraseRecord, read_records

Floats = NDArray[np.float64]

RECALL_RANKS = (1, 5, 10, 50, 100)
TRAIN_SPLIT = "train"


def evaluation_splits(phrases: Path) -> list[str]:
    """Return the splits to evaluate, sorted.

    Raises:
        InputError: there is none.
    """
    splits = {record.split for record in read_records(phrases, PhraseRecord)} - {TRAIN_SPLIT}
    if not splits:
        raise InputError(f"{phrases}: holds no phrase outside the split `{TRAIN_SPLIT}`")
    return sorted(splits)


@dataclass(frozen=True)
class AnnotatedPhrase:
    """A phrase and what is known of it apart from the image.

    Attributes:
        phrase: the phrase.
        truth: where it is.
        has_direction: whether a word such as "left" stands in it.
    """

    phrase: PhraseRecord
    truth: GroundTruth
    has_direction: bool


@dataclass(frozen=True)
class PhraseResult:
    """One phrase, answered by every method.

    Attributes:
        phrase_truth: the phrase and where it is.
        boxes_xyxy: the answer of every method that gives one box, pixels, (4,) each.
        scores: of every method, in [0, 1], (C,) each.
        recall_at: for each of `RECALL_RANKS`, whether one of so many first proposals is a hit.
        groups: names of the groups the phrase is in, by what they are grouped by.
    """

    phrase_truth: AnnotatedPhrase
    boxes_xyxy: Mapping[str, Floats]
    scores: Mapping[str, Floats]
    recall_at: tuple[bool, ...]
    groups: Mapping[str, tuple[str, ...]]


def annotated_phrases(
    phrases: Sequence[PhraseRecord], truths: Sequence[GroundTruth], facts: Mapping[str, PhraseFacts]
) -> list[AnnotatedPhrase]:
    """Return the phrases with where they are, in their order.

    Args:
        phrases: of one split.
        truths: of these phrases and perhaps others, in any order.
        facts: by text, of every phrase.

    Raises:
        InputError: a phrase has no annotated box.
    """
    truth_of = {truth.phrase_id: truth for truth in truths if truth.boxes_xyxy}
    missing = [phrase.phrase_id for phrase in phrases if phrase.phrase_id not in truth_of]
    if missing:
        raise InputError(
            f"ground_truth.jsonl: has no box of phrase {missing[0]!r} and {len(missing) - 1} more; "
            "`dvc repro annotations` makes it anew"
        )
    return [
        AnnotatedPhrase(phrase, truth_of[phrase.phrase_id], facts[phrase.phrase].has_direction)
        for phrase in phrases
    ]


def evaluate_phrase(
    phrase_truth: AnnotatedPhrase,
    inputs: BaselineInputs,
    predicted: Mapping[str, NDArray[np.floating]],
    params: EvaluateParams,
) -> PhraseResult:
    """Return the answers of every method to a phrase, and how right they are.

    Args:
        phrase_truth: the phrase and where it is.
        inputs: what a method without training may look at.
        predicted: the model's boxes by method, pixels of the image, (4,) each.
        params: thresholds.
    """
    answers = baselines.methods(params.cam_threshold)
    boxes = {name: box.astype(np.float64) for name, box in predicted.items()}
    boxes |= {name: answer(inputs) for name, answer in answers.items()}
    judge = (phrase_truth.truth.boxes_xyxy, inputs.image_hw, params.iou)
    scores = dict(zip(boxes, metrics.score_boxes(np.stack([*boxes.values()]), *judge), strict=True))
    candidates = metrics.score_boxes(baselines.with_whole_image(inputs), *judge)  # (R + 1, C)
    hits = candidates[:-1, 0]  # (R,)
    return PhraseResult(
        phrase_truth=phrase_truth,
        boxes_xyxy=boxes,
        scores={**scores, **baselines.chance_and_bounds(candidates)},
        recall_at=tuple(bool(hits[:rank].any()) for rank in RECALL_RANKS),
        groups=phrase_groups(phrase_truth, inputs),
    )


def phrase_groups(
    phrase_truth: AnnotatedPhrase, inputs: BaselineInputs
) -> dict[str, tuple[str, ...]]:
    """Return what kind of phrase it is.

    Returns:
        `kind`: the dataset's own; `words`: its length; `fitting_proposals`: how many have the label
        that fits best, of which the phrase must choose; `cam`: whether its head noun has a map;
        `direction`: whether it holds a word such as "left".
    """
    num_words = len(phrase_truth.phrase.phrase.split())
    fitting = int(baselines.fits_best(inputs).sum())
    return {
        "kind": tuple(sorted(set(phrase_truth.truth.kinds))),
        "words": (_bucket(num_words, (2, 4)),),
        "fitting_proposals": (_bucket(fitting, (0, 1)),),
        "cam": ("without" if inputs.cam is None else "with",),
        "direction": ("with" if phrase_truth.has_direction else "without",),
    }


def _bucket(count: int, limits: tuple[int, int]) -> str:
    """Return the range of a count: up to the first limit, up to the second, or more."""
    low, high = limits
    if count <= low:
        return "0" if low == 0 else f"1-{low}"
    if count <= high:
        return str(high) if high == low + 1 else f"{low + 1}-{high}"
    return f"{high + 1}+"
