"""The probability that the final box is a hit: its fit, and how far it can be trusted.

Training sees no box, so nothing in the model knows how often it is right. A logistic regression on
what the model says of its answer learns it from the boxes of the evaluation splits: a phrase's
confidence from the images of the other half. This is no supervision of the model.

Shapes: N phrases, F features of `models.grounder.box_head.CONFIDENCE_FEATURES`, K bins.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from models.given_files.foreign_values import is_finite_number
from models.given_files.impostors import cause_of
from models.given_files.json_files import read_json_value
from models.grounder.box_head import CONFIDENCE_FEATURES
from pipeline.errors import InputError
from pipeline.evaluation.metrics import wilson_interval
from pipeline.evaluation.phrase_results import PhraseResult
from pipeline.params.schema import EvaluateParams
from pipeline.reporting.methods import FINAL_BOX

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A logistic regression from features of an answer to the probability that it is a hit.

    Attributes:
        weights: of each feature by its name; 0 or more, so that confidence rises with each.
        intercept: log-odds where every feature is 0.
        iou: least IoU of a hit.
        phrases: how many it was fitted to.
    """

    weights: Mapping[str, float]
    intercept: float
    iou: float
    phrases: int

    def confidences(self, features: NDArray[np.floating]) -> Floats:
        """Return the probability of a hit, in (0, 1), float64 (N,), of features (N, F)."""
        weights = np.array([self.weights[name] for name in CONFIDENCE_FEATURES])
        return expit(features @ weights + self.intercept)


@dataclass(frozen=True)
class Calibrated:
    """The confidence of phrases, and the calibration for pictures that come later.

    Attributes:
        confidences: of each phrase, fitted to other images, in (0, 1), float64 (N,).
        reliabilities: of these, by split, as `reliability` returns them.
        calibration: fitted to all phrases.
    """

    confidences: Floats
    reliabilities: Mapping[str, Mapping[str, Any]]
    calibration: Calibration


def calibrate(
    phrase_results: Sequence[PhraseResult], features: NDArray[np.floating], params: EvaluateParams
) -> Calibrated:
    """Return the confidence of every phrase, fitted to the half of the images that it is not of.

    Args:
        phrase_results: N phrases, at least one; of several splits, whose images share the halves.
        features: what the model says of each final box, real (N, F).
        params: of the stage.
    """
    hits = np.array([one.scores[FINAL_BOX][0] > 0 for one in phrase_results])  # (N,)
    phrases = [one.phrase_truth.phrase for one in phrase_results]
    in_first = first_half([phrase.image_id for phrase in phrases], params.seed)
    confidences = np.empty(len(phrases))
    for half in (in_first, ~in_first):
        fitted = fit_calibration(features[~half], hits[~half], params)
        confidences[half] = fitted.confidences(features[half])
    best_probs = np.exp(features[:, CONFIDENCE_FEATURES.index("best")].astype(np.float64))
    splits = np.array([phrase.split for phrase in phrases])
    measured = {}
    for split in dict.fromkeys(splits.tolist()):
        own, bins = splits == split, params.calibration_bins
        uncalibrated = reliability(best_probs[own], hits[own], bins)
        measured[split] = reliability(confidences[own], hits[own], bins)
        measured[split]["uncalibrated_ece"] = uncalibrated["ece"]
    return Calibrated(confidences, measured, fit_calibration(features, hits, params))


def first_half(image_ids: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Return which phrases are of the first half of the images, drawn from a seed, bool (N,)."""
    names, index = np.unique(np.array(image_ids, str), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return order[index] < len(names) / 2


def fit_calibration(
    features: NDArray[np.floating], hits: NDArray[np.bool_], params: EvaluateParams
) -> Calibration:
    """Return the logistic regression of least loss whose weights are 0 or more.

    The loss is the sum over phrases of the cross-entropy to Platt's targets (1999, "Probabilistic
    outputs for support vector machines"), (hits + 1) / (hits + 2) for a hit and 1 / (misses + 2)
    for a miss, which keep it finite, and calibration_l2 / 2 times the squared weights of the
    standardised features. Without a phrase every confidence is 1/2.

    Args:
        features: real (N, F).
        hits: bool (N,).
        params: of the stage.
    """
    mean = features.mean(0, dtype=np.float64) if len(features) else np.zeros(features.shape[1])
    std = features.std(0, dtype=np.float64) if len(features) else np.ones(features.shape[1])
    std = np.where(std > 1e-9, std, 1.0)  # a constant feature gets no weight
    inputs = (features - mean) / std
    num_hits, num_misses = int(hits.sum()), int((~hits).sum())
    targets = np.where(hits, (num_hits + 1) / (num_hits + 2), 1 / (num_misses + 2))

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, intercept = values[:-1], values[-1]
        logits = inputs @ weights + intercept
        errors = expit(logits) - targets
        value = np.sum(np.logaddexp(0, logits) - targets * logits)
        value += params.calibration_l2 / 2 * weights @ weights
        by_weight = inputs.T @ errors + params.calibration_l2 * weights
        return float(value), np.append(by_weight, errors.sum())

    start = np.zeros(features.shape[1] + 1)
    bounds = [(0, None)] * features.shape[1] + [(None, None)]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-8},
    ).x  # fmt: skip
    weights = found[:-1] / std
    named = {name: float(w) for name, w in zip(CONFIDENCE_FEATURES, weights, strict=True)}
    return Calibration(named, float(found[-1] - weights @ mean), params.iou, len(features))


def reliability(confidences: Floats, hits: NDArray[np.bool_], num_bins: int) -> dict[str, Any]:
    """Measure how far confidences can be trusted.

    Args:
        confidences: in [0, 1], float64 (N,), N >= 1.
        hits: bool (N,).
        num_bins: at most; of equal numbers of phrases, but equal confidences share a bin.

    Returns:
        `ece`, the expected calibration error, the mean over phrases of |accuracy - mean confidence|
        of their bin (Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3, there with bins
        of equal width); `ece_by_chance`, about what so few phrases would give if every confidence
        were right; `brier`, the mean squared difference of confidence and hit (Brier 1950);
        `brier_constant`, that of the share of hits as every confidence; `bins`, of each `n`,
        mean `confidence`, `accuracy` and its Wilson interval `low`, `high`.
    """
    ranks = np.searchsorted(np.sort(confidences), confidences)  # how many are lower
    bin_of = ranks * num_bins // len(confidences)
    bins, gaps, chances = [], [], []
    for index in np.unique(bin_of):
        own = bin_of == index
        count, confidence, accuracy = int(own.sum()), confidences[own].mean(), hits[own].mean()
        low, high = wilson_interval(float(hits[own].sum()), count)
        bins.append(
            {"n": count, "confidence": float(confidence), "accuracy": float(accuracy),
             "low": low, "high": high}
        )  # fmt: skip
        gaps.append(count * abs(accuracy - confidence))
        variance = np.sum(confidences[own] * (1 - confidences[own]))  # of the number of hits
        chances.append(math.sqrt(2 / math.pi * variance))  # mean of |normal of that variance|
    return {
        "ece": float(sum(gaps) / len(hits)),
        "ece_by_chance": sum(chances) / len(hits),
        "brier": float(np.mean((confidences - hits) ** 2)),
        "brier_constant": float(hits.mean() * (1 - hits.mean())),
        "bins": bins,
    }


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in a file that the stage `evaluate` wrote.

    Raises:
        InputError: it is missing or malformed.
    """
    try:
        calibration = Calibration(**read_json_value(path))
        numbers = [calibration.weights[name] for name in CONFIDENCE_FEATURES]
        numbers += [calibration.intercept, calibration.iou, calibration.phrases]
        if not all(map(is_finite_number, numbers)):
            raise ValueError("a weight, or another number, is none that is finite")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        cause = cause_of(path, error)
        raise InputError(
            f"{path}: holds no calibration: {cause}; `dvc repro evaluate` makes it anew"
        ) from error
    return calibration
