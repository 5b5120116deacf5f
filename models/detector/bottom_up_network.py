"""The parts of the bottom-up-attention detector that differ from mmdet's Faster R-CNN C4.

It was trained in Caffe by py-faster-rcnn (Anderson et al. 2018, https://arxiv.org/abs/1707.07998;
models/vg/ResNet-101/faster_rcnn_end2end_final/test.prototxt in peteanderson80/bottom-up-attention).
There a box from x1 to x2 is x2 - x1 + 1 pixels wide; that 1 is `extent_px` here, and 0 in the
checkpoints that were re-fitted to detectron2's boxes. Importing this module registers the parts
with mmdet.

Shapes: A anchors of a cell, R regions, K classes, C channels, (h, w) cells.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import RoIPool, nms

from models.detector.openmmlab import (
    MODELS,
    TASK_UTILS,
    AnchorGenerator,
    BBoxHead,
    ConfigDict,
    DeltaXYWHBBoxCoder,
    InstanceData,
    ResNet,
    RPNHead,
    SingleRoIExtractor,
)


@MODELS.register_module()
class CaffeResNet(ResNet):
    """A ResNet with Caffe's max-pooling: no padding, output size rounded up."""

    def _make_stem_layer(self, in_channels: int, stem_channels: int) -> None:
        super()._make_stem_layer(in_channels, stem_channels)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=0, ceil_mode=True)


@TASK_UTILS.register_module()
class ListedAnchors(AnchorGenerator):
    """Anchors given as boxes instead of scales and ratios."""

    def __init__(self, boxes_xyxy: Sequence[Sequence[float]], stride: int) -> None:
        """Take the anchors of the first cell, A boxes in pixels, and the stride in pixels."""
        self._boxes_xyxy = torch.tensor(boxes_xyxy, dtype=torch.float32)  # (A, 4)
        super().__init__(strides=[stride], ratios=[], scales=[])

    def gen_base_anchors(self) -> list[Tensor]:
        """Return the anchors of the single level, [float32 (A, 4)]."""
        return [self._boxes_xyxy]


@TASK_UTILS.register_module()
class ExtentBoxCoder(DeltaXYWHBBoxCoder):
    """Box deltas of R-CNN between boxes whose width is x2 - x1 + `extent_px`.

    As in Caffe, x2 of a decoded box is its centre plus half the width.
    """

    def __init__(self, target_stds: Sequence[float], extent_px: int) -> None:
        super().__init__(target_stds=target_stds)
        self.extent_px = extent_px

    def decode(self, bboxes: Tensor, pred_bboxes: Tensor, max_shape: tuple[int, int]) -> Tensor:
        """Return the boxes decoded from deltas, xyxy, float32 (R, 4).

        Args:
            bboxes: anchors or proposals, xyxy, float32 (R, 4).
            pred_bboxes: deltas, float32 (R, 4).
            max_shape: height and width, less `extent_px`, that boxes are clipped to.
        """
        outer_xyxy = add_extent(bboxes, self.extent_px)
        decoded: Tensor = super().decode(outer_xyxy, pred_bboxes)  # (R, 4)
        decoded[:, 0::2].clamp_(0, max_shape[1] - self.extent_px)
        decoded[:, 1::2].clamp_(0, max_shape[0] - self.extent_px)
        return decoded


@MODELS.register_module()
class CaffeRPNHead(RPNHead):
    """Proposals as py-faster-rcnn's ProposalLayer: clipped and filtered before the best are taken.

    `min_bbox_size` is in pixels of the image before resizing.
    """

    def _predict_by_feat_single(
        self,
        cls_score_list: list[Tensor],
        bbox_pred_list: list[Tensor],
        score_factor_list: Any,  # noqa: ARG002 - mmdet's signature
        mlvl_priors: list[Tensor],
        img_meta: dict[str, Any],
        *_: object,
        **__: object,
    ) -> InstanceData:
        """Return the proposals of one image: `bboxes`, `scores`, `labels` (0)."""
        scores = cls_score_list[0].permute(1, 2, 0).flatten().sigmoid()  # (h w A,)
        deltas = bbox_pred_list[0].permute(1, 2, 0).reshape(-1, 4)  # (h w A, 4)
        boxes_xyxy = self.bbox_coder.decode(mlvl_priors[0], deltas, img_meta["img_shape"])
        extent_px = self.bbox_coder.extent_px
        width_height = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]  # (h w A, 2)
        limits = self.test_cfg
        least = limits.min_bbox_size * width_height.new_tensor(img_meta["scale_factor"])
        large = ((width_height > 0) & (width_height + extent_px > least)).all(1)
        candidates = large.nonzero().flatten()
        order = scores[candidates].sort(descending=True, stable=True).indices
        best = candidates[order[: limits.nms_pre]]
        keep = nms(add_extent(boxes_xyxy[best], extent_px), scores[best], limits.nms.iou_threshold)
        chosen = best[keep[: limits.max_per_img]]
        labels = torch.zeros_like(chosen)
        return InstanceData(bboxes=boxes_xyxy[chosen], scores=scores[chosen], labels=labels)


@MODELS.register_module()
class RoIPoolExtractor(SingleRoIExtractor):
    """Region features by RoI max-pooling of whole cells (Caffe's ROIPooling) on one level."""

    def build_roi_layers(self, layer_cfg: Any, featmap_strides: list[int]) -> nn.ModuleList:
        """Return torchvision's layers, one per stride; mmcv's round differently."""
        output_hw = (layer_cfg["output_size"], layer_cfg["output_size"])
        return nn.ModuleList(RoIPool(output_hw, 1 / stride) for stride in featmap_strides)


@MODELS.register_module()
class OriginalPixelsBBoxHead(BBoxHead):
    """A box head that decodes boxes in pixels of the image before resizing."""

    def _predict_by_feat_single(
        self,
        roi: Tensor,
        cls_score: Tensor,
        bbox_pred: Tensor,
        img_meta: dict[str, Any],
        rescale: bool = False,
        rcnn_test_cfg: ConfigDict | None = None,
    ) -> InstanceData:
        """Return the boxes of one image; regions (R, 5) begin with the image's index."""
        if rescale:
            scale_xyxy = roi.new_tensor(img_meta["scale_factor"]).repeat(2)  # (4,)
            roi = torch.cat([roi[:, :1], roi[:, 1:] / scale_xyxy], 1)  # (R, 5)
            img_meta = {**img_meta, "img_shape": img_meta["ori_shape"]}
        return super()._predict_by_feat_single(
            roi, cls_score, bbox_pred, img_meta, rescale=False, rcnn_test_cfg=rcnn_test_cfg
        )


def add_extent(boxes_xyxy: Tensor, extent_px: int) -> Tensor:
    """Return the boxes with `extent_px` added to right and bottom, float32 (R, 4)."""
    return torch.cat([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] + extent_px], 1)
