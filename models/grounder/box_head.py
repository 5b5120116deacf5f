"""Boxes from fused states: coding as offsets, the two heads, and the answers.

Shapes: B images, P phrases, R proposals, G channels of a fused state, U of a proposal.
"""

import math

import torch
from torch import Tensor, nn, where
from torch.nn import functional as F
from torchvision.ops import box_convert

from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.layers.masking import content_boxes_xyxy

CODE_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # Faster R-CNN's, kept by RIF
MAX_LOG_RATIO = math.log(1000 / 16)  # Faster R-CNN's clamp of a log side ratio
HIDDEN_DIM = 256
SMALLEST_SIDE_PX = 1e-3  # sides are not let below it before a logarithm


def encode_boxes(anchors_xyxy: Tensor, targets_xyxy: Tensor) -> Tensor:
    """Return the offsets anchor -> target, float (..., 4).

    (dcx / w, dcy / h, log w'/w, log h'/h) x (10, 10, 5, 5), the logarithms clamped
    (https://arxiv.org/abs/1506.01497, eq. 2). Finite for boxes without area.
    """
    anchors, targets = _to_cxcywh(anchors_xyxy), _to_cxcywh(targets_xyxy)
    anchor_wh, target_wh = anchors[..., 2:], targets[..., 2:]
    shifts = (targets[..., :2] - anchors[..., :2]) / anchor_wh
    ratios = torch.log(target_wh / anchor_wh).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    return torch.cat([shifts, ratios], dim=-1) * shifts.new_tensor(CODE_WEIGHTS)


def decode_boxes(anchors_xyxy: Tensor, deltas: Tensor) -> Tensor:
    """Return anchors moved by coded offsets, xyxy (..., 4); the inverse of `encode_boxes`.

    Args:
        anchors_xyxy: float (..., 4).
        deltas: coded offsets, float (..., 4).
    """
    anchors = _to_cxcywh(anchors_xyxy)
    shifts, ratios = (deltas / deltas.new_tensor(CODE_WEIGHTS)).split(2, dim=-1)
    centres = anchors[..., :2] + shifts * anchors[..., 2:]
    sides = anchors[..., 2:] * ratios.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    return box_convert(torch.cat([centres, sides], dim=-1), "cxcywh", "xyxy")


def _to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    boxes = box_convert(boxes_xyxy, "xyxy", "cxcywh")
    return torch.cat([boxes[..., :2], boxes[..., 2:].clamp(min=SMALLEST_SIDE_PX)], dim=-1)


class RegHead(nn.Module):
    """Three layers and a sigmoid from a fused state to one box (TransVG's head).

    Centre and sides are fractions of the real image, as are the position embeddings.
    """

    def __init__(self, state_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(state_dim, HIDDEN_DIM),
            nn.ReLU(),
            nn.Linear(HIDDEN_DIM, HIDDEN_DIM),
            nn.ReLU(),
            nn.Linear(HIDDEN_DIM, 4),
        )

    def forward(self, states: Tensor, content_boxes_xyxy: Tensor) -> Tensor:
        """Return a box per phrase in pixels of the padded input, xyxy (B, P, 4).

        Args:
            states: fused states, float (B, P, G).
            content_boxes_xyxy: the real part of each image in its square, float32 (B, 4).
        """
        shares = box_convert(self.layers(states).float().sigmoid(), "cxcywh", "xyxy")
        start, end = content_boxes_xyxy[:, None].split(2, dim=-1)  # (B, 1, 2) each
        return start.repeat(1, 1, 2) + shares * (end - start).repeat(1, 1, 2)


class OffsetHead(nn.Module):
    """RIF's head: an offset for every pair of phrase and proposal."""

    def __init__(self, state_dim: int, proposal_dim: int) -> None:
        super().__init__()
        self.from_state = nn.Linear(state_dim, HIDDEN_DIM)
        self.from_box = nn.Linear(proposal_dim, HIDDEN_DIM)
        self.last = nn.Linear(HIDDEN_DIM, 4)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, states: Tensor, proposals: Tensor) -> Tensor:
        """Return the coded offset of every pair, float32 (B, P, R, 4).

        Args:
            states: fused states of the phrases, float (B, P, G).
            proposals: features of the proposals, float (B, R, U).
        """
        pairs = self.from_state(states)[:, :, None] + self.from_box(proposals)[:, None]
        return self.last(F.relu(pairs)).float()


def answer_boxes(outputs: GroundingOutputs, inputs: GroundingInputs) -> dict[str, Tensor]:
    """Return the three answers, in pixels of the padded input, float32 (B, P, 4) each.

    Args:
        outputs: of the grounder.
        inputs: of the grounder.

    Returns:
        `reg`, the box of the [REG] head; `proposal`, the proposal of the highest score, or the real
        part of an image without proposals; `refined`, that proposal after its predicted offset.
    """
    return {
        "reg": outputs.pred_boxes_xyxy,
        "proposal": _best_proposals(outputs.box_logits, inputs),
        "refined": outputs.refined_boxes_xyxy,
    }


def _best_proposals(box_logits: Tensor, inputs: GroundingInputs) -> Tensor:
    num_phrases = box_logits.shape[1]
    frames = content_boxes_xyxy(inputs.pixel_mask)[:, None].expand(-1, num_phrases, -1)  # (B, P, 4)
    if box_logits.shape[-1] == 0:
        return frames
    best = box_logits.argmax(-1)[..., None].expand(-1, -1, 4)  # (B, P, 4)
    has_boxes = inputs.box_mask.any(-1)[:, None, None]
    return where(has_boxes, inputs.boxes_xyxy.gather(1, best), frames)
