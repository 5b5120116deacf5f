"""The mmdet config of a small Faster R-CNN for drawn objects.

Faster R-CNN: Ren et al. 2015, https://arxiv.org/abs/1506.01497; feature pyramid: Lin et al. 2017,
https://arxiv.org/abs/1612.03144. Left out against mmdet's own config: the backbone's last stage,
the pyramid's stride 4 and all beyond 16, and most of the samples.
"""

from typing import Any

from models.detector.openmmlab import Config

STRIDES = [8, 16]
CHANNELS, HIDDEN = 64, 256
ROIS = 100  # proposals of the first stage


def small_detector_config(
    num_classes: int, base_channels: int, object_px: float, long_side_px: int
) -> Config:
    """Return the mmdet config: `model` and `test_pipeline`.

    Args:
        num_classes: number of labels.
        base_channels: of the first stage of the ResNet-18; 64 is the original.
        object_px: square root of a small object's area; anchors are 1 to 2.8 times as large.
        long_side_px: images are resized to this before detection.
    """
    model = {
        "type": "FasterRCNN",
        "data_preprocessor": _preprocessor(),
        "backbone": _backbone(base_channels),
        "neck": {
            "type": "FPN",
            "in_channels": [2 * base_channels, 4 * base_channels],
            "out_channels": CHANNELS,
            "num_outs": len(STRIDES),
        },
        "rpn_head": _rpn_head(object_px),
        "roi_head": _roi_head(num_classes, object_px),
        "train_cfg": {
            "rpn": _sampling(0.6, 0.3, 64, 0.5, add_truth=False) | {"allowed_border": -1},
            "rpn_proposal": _rpn_limits(),
            "rcnn": _sampling(0.5, 0.5, 48, 0.4, add_truth=True),
        },
        "test_cfg": {
            "rpn": _rpn_limits(),
            "rcnn": {"score_thr": 0.05, "nms": _nms(0.5), "max_per_img": ROIS},
        },
    }
    pipeline = [
        {"type": "LoadImageFromNDArray"},
        {"type": "Resize", "scale": (long_side_px, long_side_px), "keep_ratio": True},
        {"type": "PackDetInputs", "meta_keys": ("ori_shape", "img_shape", "scale_factor")},
    ]
    return Config({"model": model, "test_pipeline": pipeline})


def _preprocessor() -> dict[str, Any]:
    return {
        "type": "DetDataPreprocessor",
        "mean": [127.5] * 3,
        "std": [64.0] * 3,
        "bgr_to_rgb": True,
        "pad_size_divisor": 64,
    }


def _backbone(base_channels: int) -> dict[str, Any]:
    return {
        "type": "ResNet",
        "depth": 18,
        "base_channels": base_channels,
        "stem_channels": base_channels,
        "num_stages": 3,
        "strides": (1, 2, 2),
        "dilations": (1, 1, 1),
        "out_indices": (1, 2),
        "norm_eval": False,
    }


def _rpn_head(object_px: float) -> dict[str, Any]:
    return {
        "type": "RPNHead",
        "in_channels": CHANNELS,
        "feat_channels": CHANNELS,
        "anchor_generator": {
            "type": "AnchorGenerator",
            "base_sizes": [object_px, 2 * object_px],
            "scales": [1.0, 2**0.5],
            "ratios": [0.6, 1.0, 1.67],
            "strides": STRIDES,
        },
        "bbox_coder": {"type": "DeltaXYWHBBoxCoder"},
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True},
        "loss_bbox": {"type": "L1Loss"},
    }


def _roi_head(num_classes: int, object_px: float) -> dict[str, Any]:
    pool = {"output_size": 7, "sampling_ratio": 2, "use_torchvision": True}
    return {
        "type": "StandardRoIHead",
        "bbox_roi_extractor": {
            "type": "SingleRoIExtractor",
            "roi_layer": {"type": "RoIAlign"} | pool,
            "out_channels": CHANNELS,
            "featmap_strides": STRIDES,
            "finest_scale": 1.5 * object_px,  # objects of twice this come from stride 16
        },
        "bbox_head": {
            "type": "Shared2FCBBoxHead",
            "in_channels": CHANNELS,
            "fc_out_channels": HIDDEN,
            "roi_feat_size": 7,
            "num_classes": num_classes,
            "reg_class_agnostic": True,
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [0.1, 0.1, 0.2, 0.2]},
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": False},
            "loss_bbox": {"type": "L1Loss"},
        },
    }


def _sampling(
    positive_iou: float, negative_iou: float, count: int, positive_share: float, *, add_truth: bool
) -> dict[str, Any]:
    """Return IoU limits of positive and negative boxes, and how many enter the loss."""
    return {
        "assigner": {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": positive_iou,
            "neg_iou_thr": negative_iou,
            "min_pos_iou": negative_iou,
            "match_low_quality": not add_truth,
        },
        "sampler": {
            "type": "RandomSampler",
            "num": count,
            "pos_fraction": positive_share,
            "add_gt_as_proposals": add_truth,
        },
        "pos_weight": -1,
        "debug": False,
    }


def _rpn_limits() -> dict[str, Any]:
    return {"nms_pre": 400, "max_per_img": ROIS, "nms": _nms(0.7), "min_bbox_size": 0}


def _nms(iou: float) -> dict[str, Any]:
    return {"type": "nms", "iou_threshold": iou}
