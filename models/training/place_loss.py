"""The loss that teaches what words of place mean.

Shapes: B images, P phrases, R proposals.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.box_scorer import masked_log_probs
from models.training.distributed import global_count


def place_loss(outputs: GroundingOutputs, inputs: GroundingInputs) -> Tensor:
    """Return the negative log-likelihood of words of place, mean over the phrases that have some.

    Which box a phrase means is not known, so it is summed out: the words have the probability
    sum_r p(r) p(words | r), p(r) the softmax of all scores but those of the words of place. Its
    gradient is that of expectation and maximisation. To it comes the negative log-likelihood of
    the words where nothing is known of the box. Phrases with an order ("second from the left")
    are left out, for their other words name the side that is counted from, not the thing's.

    Args:
        outputs: of the grounder.
        inputs: of the grounder.

    Returns:
        In nats a phrase, a scalar; 0 without any such phrase.
    """
    has_boxes = inputs.box_mask.any(-1, keepdim=True)  # (B, 1)
    has_words = (outputs.usual_log_probs != 0) & inputs.phrase_mask  # (B, P)
    told = has_words & (inputs.place_ranks == 0) & has_boxes
    real = inputs.box_mask[:, None]  # (B, 1, R)
    rest = outputs.learned_logits + outputs.prior_logits + outputs.cam_logits  # (B, P, R)
    lowest = torch.finfo(rest.dtype).min
    joint = masked_log_probs(rest.detach(), real) + outputs.place_log_probs
    joint = joint.masked_fill(~real, lowest)
    padded = F.pad(joint, (0, 1), value=lowest)  # (B, P, R + 1), never empty
    losses = -padded.logsumexp(-1) - outputs.usual_log_probs  # (B, P)
    return torch.where(told, losses, 0.0).sum() / global_count(told.sum())
