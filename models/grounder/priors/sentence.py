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


@dataclass(frozen=True)
class OnWearer:
    """How every box lies on the box of who wears what a phrase means, or has it as a part.

    Attributes:
        wearers_xyxy: that box, any where nobody is known, float32 (B, P, 4).
        is_worn: whether somebody is known, bool (B, P, 1).
        inside: share of every box inside it, in [0, 1], float32 (B, P, R).
        part: area of every box over its area, not negative, float32 (B, P, R).
    """

    wearers_xyxy: Tensor
    is_worn: Tensor
    inside: Tensor
    part: Tensor


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
    on = lay_on_wearers(inputs, earlier)
    by_wearer = config.prior_wearer * torch.log(on.inside + LOWEST_INSIDE)
    by_area = config.prior_part_area * on.part.clamp(LOWEST_PART, 1).log()
    worn = by_wearer + by_area * inputs.phrase_is_body[..., None]
    claimed = config.prior_claim * earlier.claims * inputs.has_fit
    return torch.where(on.is_worn, worn, -claimed)


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


def lay_on_wearers(inputs: GroundingInputs, earlier: EarlierBoxes) -> OnWearer:
    """Measure how every box lies on the one that the phrase's wearer is taken to be."""
    number = inputs.wearers.clamp(min=0)[..., None]  # (B, P, 1)
    is_worn = (inputs.wearers >= 0)[..., None] & earlier.is_known.gather(-1, number)
    corners = earlier.picks.gather(-1, number).expand(-1, -1, 4)  # (B, P, 4)
    wearers = inputs.boxes_xyxy.gather(1, corners)
    inside, part = shares_of_others(inputs.boxes_xyxy, wearers)  # (B, R, P) twice
    return OnWearer(wearers, is_worn, inside.transpose(1, 2), part.transpose(1, 2))
