"""What a phrase's sentence says of its box: others are spoken for, and clothes are on somebody.

"A man in a red shirt hugs a woman": the woman is not the box that the man is, and the shirt is
inside the man's box.

Shapes: B images, P phrases, E earlier phrases of a phrase's sentence, R proposals.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from models.grounder.batch import GroundingInputs
from models.grounder.config import GrounderConfig
from models.grounder.priors.label import label_logits, several_for_one
from models.grounder.priors.place_geometry import shares_of_others

LOWEST_INSIDE = 0.05  # of a box, added to its share inside its wearer before the logarithm
LOWEST_PART = 0.03  # of the wearer's area, before the logarithm


@dataclass(frozen=True)
class EarlierBoxes:
    """What the phrases before a phrase in its sentence are taken to mean.

    Attributes:
        picks: the box of each, i64 (B, P, E); any for a phrase that fits no box.
        is_known: whether it fits a box, bool (B, P, E).
        claims: how much of every box they claim, not negative, float32 (B, P, R).
    """

    picks: Tensor
    is_known: Tensor
    claims: Tensor


def sentence_logits(inputs: GroundingInputs, config: GrounderConfig) -> Tensor:
    """Return what the sentence says of every box, float32 (B, P, R); 0 without a sentence.

    - `prior_claim`, subtracted: the IoU of the box with the box of each earlier phrase of the
      sentence that means one thing and whose noun fits the box's label, too;
    - `prior_wearer`, for what is worn and parts of the body: of the log of the box's share inside
      the wearer's box; these do not compete with earlier phrases;
    - `prior_part_area`, for parts of the body: of the log of the box's area as a share of the
      wearer's.

    Earlier phrases are settled one after another by label, confidence, area and number alone.
    """
    if inputs.boxes_xyxy.shape[1] == 0:
        return torch.zeros_like(inputs.box_priors)
    earlier = earlier_boxes(inputs, config)
    wearer = inputs.wearers.clamp(min=0)[..., None]  # (B, P, 1)
    is_worn = (inputs.wearers >= 0)[..., None] & earlier.is_known.gather(-1, wearer)  # (B, P, 1)
    inside, part = _within(inputs, earlier.picks.gather(-1, wearer)[..., 0])
    by_wearer = config.prior_wearer * torch.log(inside + LOWEST_INSIDE)
    by_area = config.prior_part_area * part.clamp(LOWEST_PART, 1).log()
    worn = by_wearer + by_area * inputs.phrase_is_body[..., None]
    claimed = config.prior_claim * earlier.claims * inputs.has_fit
    return torch.where(is_worn, worn, -claimed)


def earlier_boxes(inputs: GroundingInputs, config: GrounderConfig) -> EarlierBoxes:
    """Settle the earlier phrases of every phrase in their order; each avoids those before it."""
    fits = inputs.earlier_priors * inputs.box_mask[:, None, None]  # (B, P, E, R)
    several = inputs.earlier_is_plural.flatten(1, 2)  # (B, P E)
    logits = label_logits(fits.flatten(1, 2), several, inputs, config)
    logits = (logits - several_for_one(inputs, config, several)).view_as(fits)
    logits = logits.masked_fill(fits == 0, torch.finfo(logits.dtype).min)
    overlaps = box_iou(inputs.boxes_xyxy, inputs.boxes_xyxy).nan_to_num(0.0)  # (B, R, R)
    claims = torch.zeros_like(inputs.box_priors)  # (B, P, R)
    picks = []
    for number in range(fits.shape[2]):
        pick = (logits[:, :, number] - config.prior_claim * claims).argmax(-1)  # (B, P)
        overlap = overlaps.gather(1, pick[..., None].expand_as(claims))  # (B, P, R)
        is_one = ~inputs.earlier_is_plural[:, :, number, None]
        claims = claims + overlap * (fits[:, :, number] > 0) * is_one
        picks.append(pick)
    return EarlierBoxes(torch.stack(picks, -1), (fits > 0).any(-1), claims)


def _within(inputs: GroundingInputs, wearers: Tensor) -> tuple[Tensor, Tensor]:
    """Return every box's share inside the wearer's box, and its area as a share of that box's.

    Args:
        inputs: the boxes.
        wearers: indices of boxes, i64 (B, P).

    Returns:
        The first in [0, 1], the second not negative, float32 (B, P, R) each.
    """
    corners = wearers[..., None].expand(-1, -1, 4)
    others = inputs.boxes_xyxy.gather(1, corners)  # (B, P, 4)
    inside, part = shares_of_others(inputs.boxes_xyxy, others)  # (B, R, P) twice
    return inside.transpose(1, 2), part.transpose(1, 2)
