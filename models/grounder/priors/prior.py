"""What is believed of a box before anything is learned: label, number, colour, place and area.

Shapes: B images, P phrases, R proposals.
"""

import torch
from torch import Tensor

from models.grounder.batch import GroundingInputs
from models.grounder.config import GrounderConfig
from models.grounder.priors.box_evidence import area_shares, log_colour, log_scores
from models.grounder.priors.place import place_logits


def prior_logits(inputs: GroundingInputs, config: GrounderConfig) -> Tensor:
    """Return the prior logit of every pair, float32 (B, P, R); finite on padding.

    A sum of logarithms and a penalty, each times its weight in `config`:

    - `prior_weight`: of log(K + `prior_floor`), K the fit of head noun and label;
    - `prior_score`: of the log of the detector's confidence, `prior_score_unfit` where no label
      fits;
    - `prior_area`: of the log of the box's share of the image, `prior_area_unfit` where no label
      fits;
    - `prior_number`: subtracted from boxes around several things for a phrase about one, and from
      single boxes for a phrase about several;
    - `prior_colour`: of the log of (share of the box in the phrase's colours x root of the box's
      share of the image), which is large where a box is full of the colour and holds much of it;
    - `prior_side`, `prior_size`, `prior_order`, `prior_relation`: of what the phrase says of the
      thing's place, as `models.grounder.priors.place_geometry` measures it.

    Where the head noun fits no label of the image's boxes, or fits all alike, labels and scores
    count for nothing, nor does a phrase about several things favour boxes around several.
    """
    has_fit = label_fits(inputs)  # (B, P, 1)
    area = area_shares(inputs)[:, None]  # (B, 1, R)
    log_area = area.log()
    is_plural, is_merged = inputs.phrase_is_plural[..., None], inputs.box_is_merged[:, None]
    informed = (
        config.prior_weight * torch.log(inputs.box_priors + config.prior_floor)
        + config.prior_score * log_scores(inputs)
        + config.prior_area * log_area
        - config.prior_number * (is_plural & ~is_merged)
    )
    uninformed = config.prior_area_unfit * log_area + config.prior_score_unfit * log_scores(inputs)
    by_label = torch.where(has_fit, informed, uninformed)  # (B, P, R)
    several_for_one = config.prior_number * (is_merged & ~is_plural)
    by_words = config.prior_colour * log_colour(inputs.box_colours, inputs.box_mask, area)
    return by_label - several_for_one + by_words + place_logits(inputs, config)


def label_fits(inputs: GroundingInputs) -> Tensor:
    """Return whether labels tell which boxes a phrase may mean, bool (B, P, 1).

    They do not where the head noun fits no label of the image's boxes, or fits all alike.
    """
    fits = inputs.box_priors * inputs.box_mask[:, None]  # (B, P, R)
    all_alike = ((fits == 1) | ~inputs.box_mask[:, None]).all(-1, keepdim=True)
    return (fits > 0).any(-1, keepdim=True) & ~all_alike
