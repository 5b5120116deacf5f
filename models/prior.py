"""What is believed of a box before anything is learned: label, number, confidence and area.

Shapes: B images, P phrases, R proposals.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.grounder_spec import GrounderSpec
from models.grounding_batch import GroundingInputs

LOWEST_SCORE = 1e-3  # of a detector, before the logarithm
LOWEST_AREA = 1e-4  # share of the image


@dataclass(frozen=True)
class PriorWeights:
    """How much each belief counts, in nats.

    Attributes:
        label: of log(K + floor), K the fit of head noun and label (model memo, section 3.2).
        floor: added to K.
        score: of the log of the detector's confidence, where a label fits.
        area: of the log of the box's share of the image, where a label fits.
        area_unfit: the same where none fits.
        number: taken from single boxes for a phrase about several things, and from boxes around
            several for a phrase about one, where a label fits.
    """

    label: float
    floor: float
    score: float
    area: float
    area_unfit: float
    number: float


def prior_weights(spec: GrounderSpec) -> PriorWeights:
    """Return what a specification says of the prior."""
    return PriorWeights(
        label=spec.prior_weight,
        floor=spec.prior_floor,
        score=spec.prior_score,
        area=spec.prior_area,
        area_unfit=spec.prior_area_unfit,
        number=spec.prior_number,
    )


def prior_logits(inputs: GroundingInputs, weights: PriorWeights) -> Tensor:
    """Return the prior logit of every pair, float32 (B, P, R); finite on padding.

    A phrase whose head noun fits no label of the image's boxes, or fits all alike, is told nothing
    by labels: only the area counts then.
    """
    fits = inputs.box_priors * inputs.box_mask[:, None]  # (B, P, R)
    all_alike = ((fits == 1) | ~inputs.box_mask[:, None]).all(-1, keepdim=True)
    has_fit = (fits > 0).any(-1, keepdim=True) & ~all_alike  # (B, P, 1)
    log_area = _area_shares(inputs).log()[:, None]  # (B, 1, R)
    log_score = inputs.box_scores.clamp(min=LOWEST_SCORE).log()[:, None]
    mismatch = inputs.phrase_is_plural[..., None] != inputs.box_is_merged[:, None]  # (B, P, R)
    informed = (
        weights.label * torch.log(inputs.box_priors + weights.floor)
        + weights.score * log_score
        + weights.area * log_area
        - weights.number * mismatch
    )
    return torch.where(has_fit, informed, weights.area_unfit * log_area)


def _area_shares(inputs: GroundingInputs) -> Tensor:
    """Return each box's share of its image's area, float32 (B, R), at least `LOWEST_AREA`."""
    sides = (inputs.boxes_xyxy[..., 2:] - inputs.boxes_xyxy[..., :2]).clamp(min=0)
    pixels = inputs.pixel_mask.sum((-2, -1)).clamp(min=1)[:, None]  # (B, 1)
    return (sides.prod(-1) / pixels).clamp(min=LOWEST_AREA)
