"""What is known of every box apart from the phrase's noun: confidence, area, colours.

Shapes: B images, P phrases, R proposals.
"""

import torch
from torch import Tensor

from models.grounder.batch import GroundingInputs

LOWEST_SCORE = 1e-3  # of a detector, before the logarithm
LOWEST_AREA = 1e-4  # share of the image
LOWEST_COLOUR = 1e-3  # as a map's sum over the square root of an area: models.grounder.box_scorer


def log_scores(inputs: GroundingInputs) -> Tensor:
    """Return the log of the detector's confidence in each box, float32 (B, 1, R)."""
    return inputs.box_scores.clamp(min=LOWEST_SCORE).log()[:, None]


def log_colour(box_colours: Tensor, box_mask: Tensor, area: Tensor) -> Tensor:
    """Return the log of how much of a phrase's colours is in each box, float32 (B, P, R).

    It is 0 for a phrase whose colours are in no box, or that names none.
    """
    shares = box_colours * box_mask[:, None]  # (B, P, R)
    density = torch.log(shares * area.sqrt() + LOWEST_COLOUR)
    return density * (shares > 0).any(-1, keepdim=True)


def area_shares(inputs: GroundingInputs) -> Tensor:
    """Return each box's share of its image's area, float32 (B, R), at least `LOWEST_AREA`."""
    sides = (inputs.boxes_xyxy[..., 2:] - inputs.boxes_xyxy[..., :2]).clamp(min=0)
    pixels = inputs.pixel_mask.sum((-2, -1)).clamp(min=1)[:, None]  # (B, 1)
    return (sides.prod(-1) / pixels).clamp(min=LOWEST_AREA)
