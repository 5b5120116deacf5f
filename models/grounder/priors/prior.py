"""What is believed of a box before anything is learned: label, number, area, and the words.

Shapes: B images, P phrases, R proposals.
"""

import torch
from torch import Tensor

from models.grounder.batch import GroundingInputs
from models.grounder.config import GrounderConfig
from models.grounder.priors.box_evidence import area_shares, log_colour, log_scores
from models.grounder.priors.label import label_logits, several_for_one
from models.grounder.priors.place import place_logits
from models.grounder.priors.sentence import sentence_logits


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
      thing's place, as `models.grounder.priors.place_geometry` measures it;
    - `prior_claim`, `prior_wearer`, `prior_part_area`: of what its sentence says, as
      `models.grounder.priors.sentence` has it.

    Where the head noun fits no label of the image's boxes, or fits all alike, labels and scores
    count for nothing, nor does a phrase about several things favour boxes around several.
    """
    is_plural = inputs.phrase_is_plural
    area = area_shares(inputs)[:, None]  # (B, 1, R)
    informed = label_logits(inputs.box_priors, is_plural, inputs, config)
    uninformed = config.prior_area_unfit * area.log() + config.prior_score_unfit * log_scores(
        inputs
    )
    by_label = torch.where(inputs.has_fit, informed, uninformed)  # (B, P, R)
    by_label = by_label - several_for_one(inputs, config, is_plural)
    by_words = config.prior_colour * log_colour(inputs.box_colours, inputs.box_mask, area)
    return by_label + by_words + place_logits(inputs, config) + sentence_logits(inputs, config)
