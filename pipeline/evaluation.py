"""Judge phrases one by one, and put what was found about a split into numbers.

Shapes: R proposals, C columns of `metrics.COLUMNS`, P phrases, M methods.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import baselines, metrics
from pipeline.baselines import Scene
from pipeline.records import GroundTruth, PhraseRecord
from pipeline.sections import EvaluateParams

Floats = NDArray[np.float64]

MODEL_METHODS = ("reg", "proposal", "refined")
BOUNDS = ("oracle", "oracle_whole_image")
RECALL_RANKS = (1, 5, 10, 50)
DECIMALS = 6  # of what is written; hides the last bits, in which machines may differ


@dataclass(frozen=True)
class Question:
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
class Judged:
    """One phrase, answered by every method.

    Attributes:
        question: the phrase and where it is.
        boxes_xyxy: the answer of every method that gives one box, pixels, (4,) each.
        scores: of every method, in [0, 1], (C,) each.
        found_at: for each of `RECALL_RANKS`, whether one of so many first proposals is a hit.
        groups: names of the groups the phrase is in, by what they are grouped by.
    """

    question: Question
    boxes_xyxy: Mapping[str, Floats]
    scores: Mapping[str, Floats]
    found_at: tuple[bool, ...]
    groups: Mapping[str, tuple[str, ...]]


def judge_phrase(
    question: Question, scene: Scene, predicted: Mapping[str, Floats], params: EvaluateParams
) -> Judged:
    """Let every method answer a phrase, and judge the answers.

    Args:
        question: the phrase and where it is.
        scene: what a method without training may look at.
        predicted: the model's boxes by method, pixels of the image, (4,) each.
        params: thresholds.
    """
    answers = baselines.methods(params.cam_threshold)
    boxes = {**predicted, **{name: answer(scene) for name, answer in answers.items()}}
    judge = (question.truth.boxes_xyxy, scene.image_hw, params.iou)
    scores = dict(zip(boxes, metrics.score_boxes(np.stack([*boxes.values()]), *judge), strict=True))
    candidates = metrics.score_boxes(baselines.with_whole_image(scene), *judge)  # (R + 1, C)
    hits = candidates[:-1, 0]  # (R,)
    return Judged(
        question=question,
        boxes_xyxy=boxes,
        scores={**scores, **baselines.chance_and_bounds(candidates)},
        found_at=tuple(bool(hits[:rank].any()) for rank in RECALL_RANKS),
        groups=phrase_groups(question, scene),
    )


def phrase_groups(question: Question, scene: Scene) -> dict[str, tuple[str, ...]]:
    """Say what kind of phrase it is.

    Returns:
        `kind`: the dataset's own; `words`: its length; `fitting_proposals`: how many have the label
        that fits best, of which the phrase must choose; `cam`: whether its head noun has a map;
        `direction`: whether it holds a word such as "left".
    """
    num_words = len(question.phrase.phrase.split())
    fitting = int(baselines.fits_best(scene).sum())
    return {
        "kind": tuple(sorted(set(question.truth.kinds))),
        "words": (_bucket(num_words, (2, 4)),),
        "fitting_proposals": (_bucket(fitting, (0, 1)),),
        "cam": ("without" if scene.cam is None else "with",),
        "direction": ("with" if question.has_direction else "without",),
    }


def split_metrics(judged: Sequence[Judged], params: EvaluateParams) -> dict[str, Any]:
    """Put the answers to the phrases of one split into numbers.

    Args:
        judged: every phrase of the split once, at least one.
        params: how often to resample, and from which seed.

    Returns:
        `phrases` and `images` (counts), `methods` (means, count and interval of each), `groups`
        (accuracy of each method within them), `proposal_recall` and `differences` (of each of the
        model's methods from each baseline, paired).
    """
    names = sorted(judged[0].scores)
    scores = np.stack([[one.scores[name] for name in names] for one in judged])  # (P, M, C)
    image_ids = sorted({one.question.phrase.image_id for one in judged})
    found = np.array([one.found_at for one in judged])
    return rounded(
        {
            "phrases": len(judged),
            "images": len(image_ids),
            "methods": _method_metrics(names, scores),
            "groups": _group_metrics(names, scores[..., 0], judged),
            "proposal_recall": dict(
                zip(map(str, RECALL_RANKS), found.mean(axis=0).tolist(), strict=True)
            ),
            "differences": _differences(names, scores[..., 0], judged, params),
        }
    )


def prediction_row(judged: Judged) -> dict[str, Any]:
    """Return what `predictions.jsonl` holds of a phrase, boxes in 1/100 pixels."""
    phrase = judged.question.phrase
    return {
        "phrase_id": phrase.phrase_id,
        "image_id": phrase.image_id,
        "split": phrase.split,
        "phrase": phrase.phrase,
        "gt_boxes_xyxy": rounded(judged.question.truth.boxes_xyxy, 2),
        "boxes_xyxy": {name: rounded(box.tolist(), 2) for name, box in judged.boxes_xyxy.items()},
        "iou": {name: rounded(float(judged.scores[name][2]), 4) for name in judged.boxes_xyxy},
    }


def rounded(value: Any, decimals: int = DECIMALS) -> Any:
    """Return nested mappings and sequences with every real number rounded."""
    if isinstance(value, Mapping):
        return {key: rounded(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, decimals) for item in value]
    return round(float(value), decimals) if isinstance(value, float) else value


def _method_metrics(names: Sequence[str], scores: Floats) -> dict[str, dict[str, float | int]]:
    found = {name: metrics.summarise(scores[:, index]) for index, name in enumerate(names)}
    bound = found["oracle_whole_image"]["accuracy"]
    return {
        name: {**row, "of_oracle": row["accuracy"] / bound if bound else 0.0}
        for name, row in found.items()
    }


def _group_metrics(names: Sequence[str], hits: Floats, judged: Sequence[Judged]) -> dict[str, Any]:
    grouped: dict[str, Any] = {}
    for by in judged[0].groups:
        members = [one.groups[by] for one in judged]
        for index, name in enumerate(names):
            for group, row in metrics.group_accuracies(hits[:, index], members).items():
                grouped.setdefault(by, {}).setdefault(group, {})[name] = row
    return grouped


def _differences(
    names: Sequence[str], hits: Floats, judged: Sequence[Judged], params: EvaluateParams
) -> dict[str, dict[str, dict[str, float]]]:
    """Compare each of the model's methods with each that needs no training, (P, M) hits."""
    image_ids = [one.question.phrase.image_id for one in judged]
    image_index = np.unique(image_ids, return_inverse=True)[1]
    draws = metrics.resampled_accuracies(hits, image_index, params.resamples, params.seed)
    column = {name: index for index, name in enumerate(names)}
    others = [name for name in names if name not in (*MODEL_METHODS, *BOUNDS)]
    return {
        ours: {
            other: metrics.paired_difference(
                hits[:, column[ours]],
                hits[:, column[other]],
                draws[:, [column[ours], column[other]]],
            )
            for other in others
        }
        for ours in MODEL_METHODS
        if ours in column
    }


def _bucket(count: int, limits: tuple[int, int]) -> str:
    """Name the range a count is in: up to the first limit, up to the second, or more."""
    low, high = limits
    if count <= low:
        return "0" if low == 0 else f"1-{low}"
    if count <= high:
        return str(high) if high == low + 1 else f"{low + 1}-{high}"
    return f"{high + 1}+"
