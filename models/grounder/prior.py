"""What is believed of a box before anything is learned: label, number, colour, score and area.

Shapes: B images, P phrases, R proposals.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.grounder.batch import GroundingInputs
from models.grounder.config import GrounderSpec

LOWEST_SCORE = 1e-3  # of a detector, before the logarithm
LOWEST_AREA = 1e-4  # share of the image
LOWEST_COLOUR = 1e-3  # as a map's sum over the square root of an area: models.grounder.box_scorer


@dataclass(frozen=True)
class PriorWeights:
    """How much each belief counts, in nats.

    Attributes:
        label: of log(K + floor), K the fit of head noun and label (model memo, section 3.2).
        floor: added to K.
        score: of the log of the detector's confidence, where a label fits.
        area: of the log of the box's share of the image, where a label fits.
        area_unfit: the same where none fits.
        number: taken from boxes around several things for a phrase about one, and, where a label
            fits, from single boxes for a phrase about several.
        colour: of the log of (share of the box in the phrase's colours x root of the box's share of
            the image), which is large where a box is full of the colour and holds much of it.
    """

    label: float
    floor: float
    score: float
    area: float
    area_unfit: float
    number: float
    colour: float


def prior_weights(spec: GrounderSpec) -> PriorWeights:
    """Return what a specification says of the prior."""
    return PriorWeights(
        label=spec.prior_weight,
        floor=spec.prior_floor,
        score=spec.prior_score,
        area=spec.prior_area,
        area_unfit=spec.prior_area_unfit,
        number=spec.prior_number,
        colour=spec.prior_colour,
    )


def prior_logits(inputs: GroundingInputs, weights: PriorWeights) -> Tensor:
    """Return the prior logit of every pair, float32 (B, P, R); finite on padding.

    A phrase whose head noun fits no label of the image's boxes, or fits all alike, is told nothing
    by labels: only the area counts then, colour, and that one thing is not in a box around several.
    """
    fits = inputs.box_priors * inputs.box_mask[:, None]  # (B, P, R)
    all_alike = ((fits == 1) | ~inputs.box_mask[:, None]).all(-1, keepdim=True)
    has_fit = (fits > 0).any(-1, keepdim=True) & ~all_alike  # (B, P, 1)
    area = _area_shares(inputs)[:, None]  # (B, 1, R)
    log_area = area.log()
    log_score = inputs.box_scores.clamp(min=LOWEST_SCORE).log()[:, None]
    is_plural, is_merged = inputs.phrase_is_plural[..., None], inputs.box_is_merged[:, None]
    informed = (
        weights.label * torch.log(inputs.box_priors + weights.floor)
        + weights.score * log_score
        + weights.area * log_area
        - weights.number * (is_plural & ~is_merged)
    )
    told_by_label = torch.where(has_fit, informed, weights.area_unfit * log_area)  # (B, P, R)
    several_for_one = weights.number * (is_merged & ~is_plural)
    return told_by_label - several_for_one + weights.colour * _log_colour(inputs, area)


def _log_colour(inputs: GroundingInputs, area: Tensor) -> Tensor:
    """Return the log of how much of the phrase's colours is in each box, float32 (B, P, R).

    It is 0 for a phrase whose colours are in no box, or that names none.
    """
    shares = inputs.box_colours * inputs.box_mask[:, None]  # (B, P, R)
    density = torch.log(shares * area.sqrt() + LOWEST_COLOUR)
    return density * (shares > 0).any(-1, keepdim=True)


def _area_shares(inputs: GroundingInputs) -> Tensor:
    """Return each box's share of its image's area, float32 (B, R), at least `LOWEST_AREA`."""
    sides = (inputs.boxes_xyxy[..., 2:] - inputs.boxes_xyxy[..., :2]).clamp(min=0)
    pixels = inputs.pixel_mask.sum((-2, -1)).clamp(min=1)[:, None]  # (B, 1)
    return (sides.prod(-1) / pixels).clamp(min=LOWEST_AREA)
