"""Conversion of the public bottom-up-attention checkpoints to mmdet's Faster R-CNN C4.

Two families of one Caffe model: MILVLG/bottom-up-attention.pytorch (`.pth`; boxes one pixel wider
than x2 - x1, background first, two scores an anchor) and airsplay/py-bottom-up-attention with
transformers' `frcnn-vg-finetuned` (`.pkl`, `.bin`; detectron2's boxes, background last, one
score an anchor). Names and shapes tell them apart.

Shapes: A anchors of a cell, K classes without background, C channels.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.detector.bottom_up_config import (
    CAFFE,
    DETECTRON2,
    Dialect,
    bottom_up_config,
    caffe_anchors,
    detectron2_anchors,
)
from models.detector.openmmlab import Config
from models.given_files.safe_load import ModelFileError

DEPTHS = {6: 50, 23: 101, 36: 152}  # by blocks of the fourth stage
ANCHORS_KEY = "proposal_generator.anchor_generator.cell_anchors.0"
_RPN, _BOX = "proposal_generator.rpn_head", "roi_heads.box_predictor"
_DROPPED = re.compile(
    r"roi_heads\.box_predictor\.(cls_embed|attr_|fc_attr)|pixel_(mean|std)$"
    r"|proposal_generator\.anchor_generator\."
)
_RENAMED = (
    (r"backbone\.stem\.conv1\.norm\.", "backbone.bn1."),
    (r"backbone\.stem\.conv1\.", "backbone.conv1."),
    (r"backbone\.res([234])\.", lambda match: f"backbone.layer{int(match[1]) - 1}."),
    (r"roi_heads\.res5\.", "roi_head.shared_head.layer4."),
    (r"\.shortcut\.norm\.", ".downsample.1."),
    (r"\.shortcut\.", ".downsample.0."),
    (r"(layer\d\.\d+)\.conv(\d)\.norm\.", r"\1.bn\2."),
    (rf"{_RPN}\.conv\.", "rpn_head.rpn_conv."),
    (rf"{_RPN}\.objectness_logits\.", "rpn_head.rpn_cls."),
    (rf"{_RPN}\.anchor_deltas\.", "rpn_head.rpn_reg."),
    (rf"{_BOX}\.cls_score\.", "roi_head.bbox_head.fc_cls."),
    (rf"{_BOX}\.bbox_pred\.", "roi_head.bbox_head.fc_reg."),
)


@dataclass(frozen=True)
class BottomUpDetector:
    """A converted checkpoint.

    Attributes:
        config: of mmdet, as `bottom_up_config` returns it.
        state: the weights by mmdet's names.
        num_classes: number K of classes, without background.
    """

    config: Config
    state: dict[str, Tensor]
    num_classes: int


def read_bottom_up(state: Mapping[str, Tensor]) -> BottomUpDetector:
    """Return a checkpoint's config and weights in mmdet's form, without the attribute branch.

    Args:
        state: tensors by detectron2's names.

    Raises:
        ModelFileError: a tensor is missing or has another shape than this detector's.
    """
    num_outputs = _needed(state, f"{_BOX}.cls_score.weight").shape[0]
    num_boxes = _needed(state, f"{_BOX}.bbox_pred.weight").shape[0]
    dialects = {4 * num_outputs: CAFFE, 4 * (num_outputs - 1): DETECTRON2}
    if num_boxes not in dialects:
        raise ModelFileError(f"{num_outputs} class scores and {num_boxes} box deltas do not belong")
    dialect, num_classes = dialects[num_boxes], num_outputs - 1
    blocks = {key.split(".")[2] for key in state if key.startswith("backbone.res4.")}
    if len(blocks) not in DEPTHS:
        raise ModelFileError(f"the backbone has {len(blocks)} blocks in res4, not 6, 23 or 36")
    anchors = _anchors(state, dialect)
    config = bottom_up_config(DEPTHS[len(blocks)], num_classes, anchors, dialect)
    return BottomUpDetector(config, dict(_converted(state, dialect)), num_classes)


def _anchors(state: Mapping[str, Tensor], dialect: Dialect) -> list[list[float]]:
    """Return the anchors of the checkpoint, where MILVLG's store them, else the usual ones."""
    usual = caffe_anchors() if dialect is CAFFE else detectron2_anchors()
    stored = state.get(ANCHORS_KEY)
    if stored is None:
        return usual
    if stored.shape != (len(usual), 4):
        raise ModelFileError(f"{ANCHORS_KEY}: has shape {tuple(stored.shape)}, expected (12, 4)")
    return [[float(side) for side in box] for box in stored]


def _converted(state: Mapping[str, Tensor], dialect: Dialect) -> Iterator[tuple[str, Tensor]]:
    """Yield mmdet's name and tensor of each weight that stays."""
    for key, tensor in state.items():
        if _DROPPED.match(key):
            continue
        name = key
        for pattern, replacement in _RENAMED:
            name = re.sub(pattern, replacement, name)
        yield name, _reordered(name, tensor, dialect)


def _reordered(name: str, tensor: Tensor, dialect: Dialect) -> Tensor:
    """Return outputs in mmdet's order: one logit an anchor, background last, without its box."""
    if name.startswith("rpn_head.rpn_cls.") and dialect is CAFFE:
        background, thing = tensor.chunk(2)  # (A, C, 1, 1) each
        return thing - background  # the sigmoid of this is the softmax of both
    if name.startswith("roi_head.bbox_head.fc_cls.") and dialect.background_first:
        return torch.cat([tensor[1:], tensor[:1]])  # (K + 1, C)
    if name.startswith("roi_head.bbox_head.fc_reg.") and dialect.background_first:
        return tensor[4:]  # (4 K, C)
    return tensor


def _needed(state: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in state:
        raise ModelFileError(f"has no {key}")
    return state[key]
