"""What the detector says of every box for a noun: its label, confidence, size and number.

Shapes: B images, N nouns, P phrases, R proposals.
"""

import torch
from torch import Tensor

from models.grounder.batch import GroundingInputs
from models.grounder.config import GrounderConfig
from models.grounder.priors.box_evidence import area_shares, log_scores


def label_logits(
    fits: Tensor, is_plural: Tensor, inputs: GroundingInputs, config: GrounderConfig
) -> Tensor:
    """Return the logit of every box for nouns that labels tell about, float32 (B, N, R).

    Args:
        fits: similarity of noun and label in [0, 1], float32 (B, N, R).
        is_plural: the noun means several things, bool (B, N).
        inputs: the boxes.
        config: weights of label, confidence, area and number.
    """
    is_several, is_merged = is_plural[..., None], inputs.box_is_merged[:, None]
    return (
        config.prior_weight * torch.log(fits + config.prior_floor)
        + config.prior_score * log_scores(inputs)
        + config.prior_area * area_shares(inputs)[:, None].log()
        - config.prior_number * (is_several & ~is_merged)
    )


def several_for_one(inputs: GroundingInputs, config: GrounderConfig, is_plural: Tensor) -> Tensor:
    """Return the price of a box around several things for a noun that means one.

    Args:
        inputs: the boxes.
        config: `prior_number`.
        is_plural: the noun means several things, bool (B, N).

    Returns:
        Not negative, float32 (B, N, R).
    """
    return config.prior_number * (inputs.box_is_merged[:, None] & ~is_plural[..., None])
