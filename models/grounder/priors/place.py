"""What the words of place of a phrase say of every box.

Shapes: B images, P phrases, R proposals.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from models.grounder.batch import GroundingInputs
from models.grounder.box_scorer import masked_probs
from models.grounder.config import GrounderConfig
from models.grounder.priors.box_evidence import area_shares, log_colour, log_scores
from models.grounder.priors.place_geometry import (
    order_logits,
    relation_logits,
    side_logits,
    size_logits,
)
from models.layers.masking import content_boxes_xyxy

COUNTED_SCORE = 0.4  # of the surest fitting box's score, for a box to be one of those counted


def place_logits(inputs: GroundingInputs, config: GrounderConfig) -> Tensor:
    """Return what the phrase's words of place say of every box, float32 (B, P, R).

    Each of sides, size, order and relation counts with its weight in `config`; 0 for a phrase that
    has none.
    """
    shares = boxes_as_shares(inputs)
    by_side = config.prior_side * side_logits(shares, inputs.place_cues)
    by_size = config.prior_size * size_logits(shares, inputs.place_cues)
    by_order = config.prior_order * order_logits(
        shares, counted_boxes(inputs), inputs.place_ranks, inputs.place_sides
    )
    anchors = anchor_probs(inputs, config)
    by_relation = config.prior_relation * relation_logits(shares, inputs.relations, anchors)
    return by_side + by_size + by_order + by_relation


def boxes_as_shares(inputs: GroundingInputs) -> Tensor:
    """Return left, top, right, bottom as shares of what is seen of the image, float32 (B, R, 4)."""
    content = content_boxes_xyxy(inputs.pixel_mask)[:, None]  # (B, 1, 4)
    corner, extent = content[..., :2], content[..., 2:] - content[..., :2]
    return (inputs.boxes_xyxy - corner.repeat(1, 1, 2)) / extent.repeat(1, 1, 2)


def counted_boxes(inputs: GroundingInputs) -> Tensor:
    """Return the boxes among which "second" counts, bool (B, P, R).

    Those of the best fitting label that are nearly as sure as the surest of them.
    """
    single = inputs.box_mask & ~inputs.box_is_merged & (inputs.box_labels > 0)  # (B, R)
    fits = inputs.box_priors * single[:, None]  # (B, P, R)
    best = (fits > 0) & (fits == _largest(fits))
    scores = inputs.box_scores[:, None] * best
    return best & (scores >= COUNTED_SCORE * _largest(scores))


def _largest(values: Tensor) -> Tensor:
    """Return the largest of non-negative values, 0 of none, (..., 1) of (..., R)."""
    return F.pad(values, (0, 1)).amax(-1, keepdim=True)


def anchor_probs(inputs: GroundingInputs, config: GrounderConfig) -> Tensor:
    """Return the probability of every box to be the phrase's anchor, float32 (B, P, R).

    By label, detector's confidence and colour; 0 for all where the anchor's noun fits no label.
    """
    fits = inputs.anchor_priors * inputs.box_mask[:, None]
    area = area_shares(inputs)[:, None]  # (B, 1, R)
    logits = (
        torch.log(fits + config.prior_floor)
        + log_scores(inputs)
        + config.prior_colour * log_colour(inputs.anchor_colours, inputs.box_mask, area)
    )
    return masked_probs(logits, fits > 0)
