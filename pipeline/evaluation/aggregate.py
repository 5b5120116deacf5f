"""The results of the phrases of a split as numbers and rows.

Shapes: C columns of `metrics.COLUMNS`, P phrases, M methods.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import metrics
from pipeline.evaluation.answers import Answer
from pipeline.evaluation.phrase_results import RECALL_RANKS, PhraseResult
from pipeline.params.schema import EvaluateParams
from pipeline.reporting.methods import BEST_PROPOSAL, BOUNDS, FINAL_BOX, MODEL_METHODS

Floats = NDArray[np.float64]


DECIMALS = 6  # of what is written; hides the last bits, in which machines may differ


def split_metrics(phrase_results: Sequence[PhraseResult], params: EvaluateParams) -> dict[str, Any]:
    """Return the answers to the phrases of one split in numbers.

    Args:
        phrase_results: every phrase of the split once, at least one.
        params: how often to resample, and from which seed.

    Returns:
        `phrases` and `images` (counts), `methods` (means, count and interval of each), `groups`
        (accuracy of each method within them), `proposal_recall` and `differences` (of each of the
        model's methods from each baseline, paired).
    """
    names = sorted(phrase_results[0].scores)
    scores = np.stack([[one.scores[name] for name in names] for one in phrase_results])  # (P, M, C)
    image_ids = {one.phrase_truth.phrase.image_id for one in phrase_results}
    recall_at = np.array([one.recall_at for one in phrase_results])  # (P, ranks)
    return rounded(
        {
            "phrases": len(phrase_results),
            "images": len(image_ids),
            "methods": _method_metrics(names, scores),
            "groups": _group_metrics(names, scores[..., 0], phrase_results),
            "proposal_recall": dict(
                zip(map(str, RECALL_RANKS), recall_at.mean(axis=0).tolist(), strict=True)
            ),
            "differences": _differences(names, scores[..., 0], phrase_results, params),
        }
    )


def summarise_split(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the few numbers of a split that two experiments are compared by.

    Args:
        metrics: what `evaluation.json` holds of the split.

    Returns:
        Hits in percent of the final `box`, the model's best `proposal`, the best `baseline` of all
        that need no training, and the `oracle` with the whole image; `half` the width of the 95 %
        interval of `box`, in points; `ece` of the confidences; `n` phrases.
    """
    methods = metrics["methods"]
    percents = {name: round(100 * row["accuracy"], 2) for name, row in methods.items()}
    final = methods[FINAL_BOX]
    return {
        "box": percents[FINAL_BOX],
        "proposal": percents[BEST_PROPOSAL],
        "baseline": max(
            value for name, value in percents.items() if name not in (*MODEL_METHODS, *BOUNDS)
        ),
        "oracle": percents[BOUNDS[-1]],
        "half": round(50 * (final["high"] - final["low"]), 2),
        "ece": round(metrics["confidence"]["ece"], 4),
        "n": metrics["phrases"],
    }


def choose_phrases(phrase_results: Sequence[PhraseResult], count: int, seed: int) -> frozenset[str]:
    """Return the ids of `count` phrases drawn from a seed, whatever order they are in."""
    phrase_ids = sorted(one.phrase_truth.phrase.phrase_id for one in phrase_results)
    order = np.random.default_rng(seed).permutation(len(phrase_ids))
    return frozenset(phrase_ids[index] for index in order[:count])


def prediction_row(
    result: PhraseResult, answers: Mapping[str, Answer], kept: frozenset[str]
) -> dict[str, Any]:
    """Return what `predictions.jsonl` holds of a phrase.

    Args:
        result: the phrase.
        answers: the model's, by phrase id.
        kept: ids of the phrases whose maps are kept, as `attention`.

    Returns:
        Boxes in pixels, rounded to 1/100; IoU with the union box; maps rounded to 1/1000; the
        groups that the phrase is in, as in `evaluation.json`.
    """
    phrase = result.phrase_truth.phrase
    maps = answers[phrase.phrase_id].maps if phrase.phrase_id in kept else {}
    attention = {name: rounded(values.tolist(), 3) for name, values in maps.items()}
    return {
        **({"attention": attention} if phrase.phrase_id in kept else {}),
        "phrase_id": phrase.phrase_id,
        "image_id": phrase.image_id,
        "split": phrase.split,
        "phrase": phrase.phrase,
        "gt_boxes_xyxy": rounded(result.phrase_truth.truth.boxes_xyxy, 2),
        "boxes_xyxy": {name: rounded(box.tolist(), 2) for name, box in result.boxes_xyxy.items()},
        "iou": {name: rounded(float(result.scores[name][2]), 4) for name in result.boxes_xyxy},
        "groups": {by: list(members) for by, members in result.groups.items()},
    }


def table_rows(split: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the methods of a split as a table for the console, the best first."""
    methods = sorted(split["methods"].items(), key=lambda item: -item[1]["accuracy"])
    return [
        {
            "method": name,
            "hits": f"{100 * row['accuracy']:.1f}",
            "95 %": f"{100 * row['low']:.1f} to {100 * row['high']:.1f}",
            "any box": f"{100 * row['any_box']:.1f}",
            "mean IoU": f"{row['mean_iou']:.3f}",
        }
        for name, row in methods
    ]


def weighted_mean(pairs: Sequence[tuple[float, int]]) -> float:
    """Return the mean of (value, weight) pairs; 0 if all weights are."""
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else 0.0


def rounded(value: Any, decimals: int = DECIMALS) -> Any:
    """Return nested mappings and sequences with every real number rounded."""
    if isinstance(value, Mapping):
        return {key: rounded(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, decimals) for item in value]
    return round(float(value), decimals) if isinstance(value, float) else value


def _method_metrics(names: Sequence[str], scores: Floats) -> dict[str, dict[str, float | int]]:
    summaries = {name: metrics.summarise(scores[:, index]) for index, name in enumerate(names)}
    bound = summaries["oracle_whole_image"]["accuracy"]
    return {
        name: {**row, "of_oracle": row["accuracy"] / bound if bound else 0.0}
        for name, row in summaries.items()
    }


def _group_metrics(
    names: Sequence[str], hits: Floats, phrase_results: Sequence[PhraseResult]
) -> dict[str, Any]:
    grouped: dict[str, Any] = {}
    for by in phrase_results[0].groups:
        members = [one.groups[by] for one in phrase_results]
        for index, name in enumerate(names):
            for group, row in metrics.group_accuracies(hits[:, index], members).items():
                grouped.setdefault(by, {}).setdefault(group, {})[name] = row
    return grouped


def _differences(
    names: Sequence[str],
    hits: Floats,
    phrase_results: Sequence[PhraseResult],
    params: EvaluateParams,
) -> dict[str, dict[str, dict[str, float]]]:
    """Compare each of the model's methods with each that needs no training, (P, M) hits."""
    image_ids = [one.phrase_truth.phrase.image_id for one in phrase_results]
    image_index = np.unique(image_ids, return_inverse=True)[1]
    resampled = metrics.resampled_accuracies(hits, image_index, params.resamples, params.seed)
    column = {name: index for index, name in enumerate(names)}
    others = [name for name in names if name not in (*MODEL_METHODS, *BOUNDS)]
    return {
        ours: {
            other: metrics.paired_difference(
                hits[:, column[ours]],
                hits[:, column[other]],
                resampled[:, [column[ours], column[other]]],
            )
            for other in others
        }
        for ours in MODEL_METHODS
        if ours in column
    }
