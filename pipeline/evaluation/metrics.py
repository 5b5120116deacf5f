"""How right predicted boxes are: scores of one phrase, accuracies with intervals, differences.

Shapes: N boxes, G annotated boxes, P phrases, M methods, C columns of `COLUMNS`, Q resamples.
A hit is IoU >= a threshold with the predicted box clipped to its image. A phrase with several
annotated boxes is judged against their union box; `any_box` judges it against the best of them.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torchvision.ops import box_iou

from pipeline.geometry.boxes import clip_boxes

Floats = NDArray[np.float64]

COLUMNS = ("accuracy", "any_box", "mean_iou", "accuracy_25", "accuracy_75", "pointing")
CONFIDENCE = 0.95


def iou_matrix(boxes_xyxy: ArrayLike, others_xyxy: ArrayLike) -> Floats:
    """Return the IoU of every pair in [0, 1], float64 (N, G); empty boxes have IoU 0."""
    return box_iou(_tensor(boxes_xyxy), _tensor(others_xyxy)).nan_to_num(0.0).numpy()


def union_box(boxes_xyxy: ArrayLike) -> Floats:
    """Return the smallest box around all boxes, float64 (4,); `boxes_xyxy` is (G, 4), G >= 1."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def score_boxes(
    boxes_xyxy: ArrayLike, gt_boxes_xyxy: ArrayLike, image_hw: tuple[int, int], iou: float
) -> Floats:
    """Score predicted boxes of one phrase.

    Args:
        boxes_xyxy: predicted boxes, pixels of the image, real (N, 4).
        gt_boxes_xyxy: annotated boxes of the phrase, pixels of the image, real (G, 4), G >= 1.
        image_hw: height and width in pixels.
        iou: least IoU of a hit.

    Returns:
        One row a box, one column for each of `COLUMNS`, in [0, 1], float64 (N, C): hit with the
        union box, hit with any annotated box, IoU with the union box, hits at 0.25 and 0.75, and
        whether the box's centre lies in the union box (the pointing game).
    """
    boxes = clip_boxes(np.reshape(boxes_xyxy, (-1, 4)), image_hw).astype(np.float64)  # (N, 4)
    union = union_box(gt_boxes_xyxy)
    ious = iou_matrix(boxes, union[None])[:, 0]  # (N,)
    any_ious = iou_matrix(boxes, gt_boxes_xyxy).max(axis=1)  # (N,)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2  # (N, 2)
    pointed = ((centres >= union[:2]) & (centres <= union[2:])).all(axis=1)
    columns = [ious >= iou, any_ious >= iou, ious, ious >= 0.25, ious >= 0.75, pointed]
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)  # (N, C)


def wilson_interval(hits: float, num_phrases: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion.

    Wilson 1927 (https://doi.org/10.1080/01621459.1927.10502953). Phrases count as independent. For
    an expected number of hits, as of a random choice, the interval is wider than it need be.

    Args:
        hits: phrases that were hit, in [0, num_phrases]; may be an expectation.
        num_phrases: 0 gives the interval [0, 1], which rules nothing out.
    """
    if num_phrases == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share = hits / num_phrases
    spread = z * math.sqrt(share * (1 - share) / num_phrases + (z / (2 * num_phrases)) ** 2)
    scale = 1 + z**2 / num_phrases
    centre = share + z**2 / (2 * num_phrases)
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two methods are equally right.

    McNemar 1947 in its binomial form: of the phrases that only one of the two hits, each has it
    with probability 1/2. No such phrase gives 1.
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    log_choices = [_log_choose(total, count) for count in range(fewer + 1)]
    tail = math.fsum(math.exp(choices - total * math.log(2)) for choices in log_choices)
    return min(1.0, 2 * tail)


def resampled_accuracies(
    hits: Floats, image_index: NDArray[np.int64], resamples: int, seed: int
) -> Floats:
    """Bootstrap accuracies over images, for the phrases of one image are not independent.

    Args:
        hits: of each phrase and method, in [0, 1], float64 (P, M), P >= 1.
        image_index: number of each phrase's image, from 0, none left out, (P,).
        resamples: how often images are drawn anew, Q.
        seed: of the random generator.

    Returns:
        Accuracy of each method on each resample of images, float64 (Q, M).
    """
    num_images = int(image_index.max()) + 1
    sums = np.zeros((num_images, hits.shape[1]))
    np.add.at(sums, image_index, hits)  # (I, M)
    counts = np.bincount(image_index, minlength=num_images)  # (I,)
    rng = np.random.default_rng(seed)
    resampled = np.empty((resamples, hits.shape[1]))
    for row in resampled:
        times = np.bincount(rng.integers(0, num_images, num_images), minlength=num_images)
        row[:] = (times @ sums) / float(times @ counts)
    return resampled


def paired_difference(first: Floats, second: Floats, resampled: Floats) -> dict[str, float]:
    """Compare two methods on the same phrases.

    Args:
        first: hits of one method, in [0, 1], float64 (P,).
        second: hits of the other, float64 (P,).
        resampled: resampled accuracies of the two, float64 (Q, 2).

    Returns:
        `difference` of the accuracies, its 95 % interval `low`, `high` (percentiles of
        `resampled`) and the p-value `p` of McNemar's test, which counts phrases as independent.
    """
    low, high = np.quantile(
        resampled[:, 0] - resampled[:, 1], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    )
    only_first, only_second = int((first > second).sum()), int((first < second).sum())
    return {
        "difference": float((first - second).mean()),
        "low": float(low),
        "high": float(high),
        "p": mcnemar_p(only_first, only_second),
    }


def summarise(scores: Floats) -> dict[str, float | int]:
    """Average the scores of one method.

    Args:
        scores: of each phrase, in [0, 1], float64 (P, C).

    Returns:
        The mean of each of `COLUMNS`, `n` and the interval `low`, `high` of `accuracy`; 0 where
        there is no phrase.
    """
    means = scores.mean(axis=0) if len(scores) else np.zeros(len(COLUMNS))
    low, high = wilson_interval(float(scores[:, 0].sum()), len(scores))
    columns = {name: float(mean) for name, mean in zip(COLUMNS, means, strict=True)}
    return {**columns, "n": len(scores), "low": low, "high": high}


def group_accuracies(
    hits: Floats, groups: Sequence[Sequence[str]]
) -> dict[str, dict[str, float | int]]:
    """Average the hits of one method within groups; a phrase may be in none or in several.

    Args:
        hits: of each phrase, in [0, 1], float64 (P,).
        groups: the names of each phrase's groups, P of them.
    """
    members: dict[str, list[float]] = {}
    for hit, names in zip(hits, groups, strict=True):
        for name in names:
            members.setdefault(name, []).append(float(hit))
    return {name: _accuracy(values) for name, values in sorted(members.items())}


def _accuracy(hits: Sequence[float]) -> dict[str, float | int]:
    low, high = wilson_interval(sum(hits), len(hits))
    return {"accuracy": sum(hits) / len(hits), "n": len(hits), "low": low, "high": high}


def _log_choose(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)


def _tensor(boxes_xyxy: ArrayLike) -> torch.Tensor:
    return torch.from_numpy(np.array(boxes_xyxy, np.float64).reshape(-1, 4))
