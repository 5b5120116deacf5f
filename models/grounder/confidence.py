"""How sure the answer `reg` is: features of it, and the probability of a hit that they give.

Training sees no box, so nothing in the grounder knows how often it is right. The stage `evaluate`
fits a logistic regression to the boxes of the evaluation splits, and writes it as
`calibration.json`.

Shapes: B images, P phrases, R proposals, N phrases of any images, F features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from models.given_files.foreign_values import is_finite_number
from models.given_files.impostors import cause_of
from models.given_files.json_files import read_json_value
from models.given_files.safe_load import BROKEN, ModelFileError
from models.grounder.batch import GroundingInputs, GroundingOutputs

CONFIDENCE_FEATURES = ("support", "best", "margin", "label_fit", "detector")
PROB_FLOOR = 1e-4  # of a probability, and of what it lacks to 1, before a logarithm


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

    def confidences(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability of a hit, in (0, 1), float64 (N,), of features (N, F)."""
        weights = np.array([self.weights[name] for name in CONFIDENCE_FEATURES])
        return expit(features @ weights + self.intercept)


def read_calibration(path: Path) -> Calibration | None:
    """Return the calibration in a file; None where there is no file, as before an evaluation.

    Raises:
        ModelFileError: the file holds no calibration, or one of other features.
    """
    if not path.is_file():
        return None
    try:
        calibration = Calibration(**read_json_value(path))
        weights = calibration.weights
        if weights.keys() != set(CONFIDENCE_FEATURES):
            raise ValueError(f"is of {sorted(weights)}, not of {sorted(CONFIDENCE_FEATURES)}")
        numbers = [*weights.values(), calibration.intercept, calibration.iou, calibration.phrases]
        if not all(map(is_finite_number, numbers)):
            raise ValueError("a weight, or another number, is none that is finite")
    except BROKEN as error:
        raise ModelFileError(f"{path}: holds no calibration: {cause_of(path, error)}") from error
    return calibration


def confidence_features(outputs: GroundingOutputs, inputs: GroundingInputs, iou: float) -> Tensor:
    """Return what tells how sure the answer `reg` is, for a calibration to weigh.

    Args:
        outputs: of the grounder.
        inputs: of the grounder.
        iou: least IoU of a hit.

    Returns:
        float32 (B, P, F), finite, each of `CONFIDENCE_FEATURES` the larger the surer: log-odds of
        the probability of all proposals that the answer hits, as if the true box were one of them;
        log probability of the best proposal; that minus the second's; similarity of its label to
        the head noun; log of the detector's confidence in it.
    """
    answers, probs = outputs.pred_boxes_xyxy, F.pad(outputs.box_probs, (0, 2))  # (B, P, R + 2)
    ious = torch.stack([box_iou(*pair) for pair in zip(answers, inputs.boxes_xyxy, strict=True)])
    support = _floored((outputs.box_probs * (ious >= iou)).sum(-1))  # (B, P)
    first, second = _floored(probs).log().topk(2).values.unbind(-1)  # (B, P) each
    best = probs.argmax(-1, keepdim=True)  # (B, P, 1)
    label_fit = F.pad(inputs.box_priors, (0, 2)).gather(-1, best)[..., 0]  # (B, P)
    scores = F.pad(inputs.box_scores, (0, 2))[:, None].expand_as(probs).gather(-1, best)[..., 0]
    features = [support.logit(), first, first - second, label_fit, _floored(scores).log()]
    return torch.stack(features, dim=-1).float()  # (B, P, F)


def _floored(probs: Tensor) -> Tensor:
    return probs.clamp(PROB_FLOOR, 1 - PROB_FLOOR)
