"""The loss that teaches which boxes a phrase means without a label, by labels that are withheld.

Shapes: B images, P phrases, R proposals.
"""

from dataclasses import replace

import torch
from torch import Tensor

from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.box_scorer import masked_log_probs
from models.grounder.config import GrounderConfig
from models.grounder.priors.prior import prior_logits
from models.training.distributed import global_count


def withheld_loss(
    outputs: GroundingOutputs, inputs: GroundingInputs, config: GrounderConfig
) -> Tensor:
    """Return the divergence of what is believed without a label from what is believed with it.

    For a phrase that a label fits, the prior and the map give probabilities t, and the prior as if
    no label fitted, the map, and the learned score of place and shape give probabilities s, each by
    a softmax over the boxes of the image. The loss is KL(t || s), the distillation of Hinton et al.
    (2015, "Distilling the Knowledge in a Neural Network") from a teacher that sees the label to a
    pupil that does not. The learned score alone is taught.

    Args:
        outputs: of the grounder.
        inputs: of the grounder.
        config: of the prior.

    Returns:
        In nats a phrase, mean over the phrases that a label fits, a scalar; 0 without any, and
        where no such score is learned.
    """
    if config.unfit_weight == 0:
        return outputs.blind_logits.sum()
    is_told = inputs.has_fit[..., 0] & inputs.phrase_mask  # (B, P)
    real = inputs.box_mask[:, None]  # (B, 1, R)
    cam = outputs.cam_logits.detach()
    blind = replace(inputs, box_priors=torch.zeros_like(inputs.box_priors))
    teacher = masked_log_probs(outputs.prior_logits + cam, real)  # (B, P, R)
    pupil = masked_log_probs(prior_logits(blind, config) + cam + outputs.blind_logits, real)
    divergences = (teacher.exp() * (teacher - pupil)).sum(-1)  # (B, P)
    return torch.where(is_told, divergences, 0.0).sum() / global_count(is_told.sum())
