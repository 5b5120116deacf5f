"""Box regression from pseudo labels: proposals learn from the one with the highest probability.

Shapes: B images, P phrases, R proposals.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss

from models.grounder.box_head import encode_boxes
from models.training.distributed import global_count


@dataclass(frozen=True)
class PseudoLabelThresholds:
    """Which proposals learn from the most probable one of a phrase (RIF's thresholds).

    Attributes:
        iou: least IoU of a learning proposal with the most probable one.
        margin: least difference of the two probabilities.
        min_confidence: least probability of the most probable one; below it a phrase is left out.
    """

    iou: float
    margin: float
    min_confidence: float


def select_pseudo_targets(
    boxes_xyxy: Tensor, box_probs: Tensor, box_mask: Tensor, thresholds: PseudoLabelThresholds
) -> tuple[Tensor, Tensor]:
    """Return the most probable proposal of every phrase and the proposals that learn from it.

    Args:
        boxes_xyxy: float32 (B, R, 4), R >= 1.
        box_probs: float (B, P, R).
        box_mask: True = real, bool (B, R).
        thresholds: of IoU and probability.

    Returns:
        The most probable boxes, detached, float32 (B, P, 4), and the learners, bool (B, P, R):
        proposals within the thresholds `iou` and `margin`, and the most probable one itself.
    """
    probs = box_probs.detach()
    best = probs.argmax(-1)  # (B, P)
    best_xyxy = boxes_xyxy.detach().gather(1, best[..., None].expand(-1, -1, 4))  # (B, P, 4)
    ious = box_iou(best_xyxy, boxes_xyxy.detach()).nan_to_num(0.0)  # (B, P, R)
    gaps = probs.gather(-1, best[..., None]) - probs
    itself = F.one_hot(best, probs.shape[-1]).bool()
    learners = (ious >= thresholds.iou) & (gaps >= thresholds.margin) | itself
    return best_xyxy, learners & box_mask[:, None]


def regression_loss(
    deltas: Tensor,
    boxes_xyxy: Tensor,
    box_probs: Tensor,
    masks: tuple[Tensor, Tensor],
    thresholds: PseudoLabelThresholds,
) -> Tensor:
    """Return the smooth L1 loss of the predicted offsets to the most probable proposal.

    Args:
        deltas: predicted coded offset of every pair, float (B, P, R, 4).
        boxes_xyxy: proposals, float32 (B, R, 4).
        box_probs: float (B, P, R).
        masks: real phrases, bool (B, P), and real proposals, bool (B, R).
        thresholds: of IoU and probability.

    Returns:
        Sum over coordinates, mean over learners, mean over real phrases, a scalar. A phrase below
        `min_confidence`, or without a proposal, counts as 0.
    """
    phrase_mask, box_mask = masks
    count = global_count(phrase_mask.sum())
    if boxes_xyxy.shape[1] == 0:
        return deltas.sum() * 0
    best_xyxy, learners = select_pseudo_targets(boxes_xyxy, box_probs, box_mask, thresholds)
    anchors = boxes_xyxy.detach()[:, None].expand(-1, best_xyxy.shape[1], -1, -1)
    targets = encode_boxes(anchors, best_xyxy[:, :, None].expand_as(anchors))
    losses = F.smooth_l1_loss(deltas, targets, reduction="none").sum(-1)  # (B, P, R)
    means = (losses * learners).sum(-1) / learners.sum(-1).clamp(min=1)  # (B, P)
    taught = phrase_mask & (box_probs.amax(-1) >= thresholds.min_confidence)
    return (means * taught).sum() / count


def giou_loss(
    pred_boxes_xyxy: Tensor,
    boxes_xyxy: Tensor,
    box_probs: Tensor,
    masks: tuple[Tensor, Tensor],
    thresholds: PseudoLabelThresholds,
) -> Tensor:
    """Return the generalised IoU loss of predicted boxes and the most probable proposals.

    Args:
        pred_boxes_xyxy: float32 (B, P, 4).
        boxes_xyxy: proposals, float32 (B, R, 4).
        box_probs: float (B, P, R).
        masks: real phrases, bool (B, P), and real proposals, bool (B, R).
        thresholds: of IoU and probability.

    Returns:
        Mean over real phrases, a scalar; phrases left out as in `regression_loss`.
    """
    phrase_mask, box_mask = masks
    count = global_count(phrase_mask.sum())
    if boxes_xyxy.shape[1] == 0:
        return pred_boxes_xyxy.sum() * 0
    best_xyxy, _ = select_pseudo_targets(boxes_xyxy, box_probs, box_mask, thresholds)
    losses = generalized_box_iou_loss(pred_boxes_xyxy, best_xyxy)  # (B, P)
    taught = phrase_mask & (box_probs.amax(-1) >= thresholds.min_confidence)
    return (losses * taught).sum() / count
