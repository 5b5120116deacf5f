"""mmdet's config of the bottom-up-attention detectors, in their two conventions of boxes.

Shapes: A anchors of a cell, K classes without background.
"""

import math
from dataclasses import dataclass

from models.detector.openmmlab import Config

PIXEL_MEAN_BGR = (102.9801, 115.9465, 122.7717)
STRIDE_PX = 16
RATIOS = (0.5, 1.0, 2.0)
SCALES = (4, 8, 16, 32)


@dataclass(frozen=True)
class Dialect:
    """Conventions of a family of checkpoints.

    Attributes:
        extent_px: the width of a box is x2 - x1 + `extent_px`.
        min_side_px: least side of a proposal, pixels of the image before resizing.
        box_stds: factors of the second stage's box deltas.
        background_first: whether output 0 is the background; else the last is.
    """

    extent_px: int
    min_side_px: int
    box_stds: tuple[float, ...]
    background_first: bool


CAFFE = Dialect(1, 16, (1.0, 1.0, 1.0, 1.0), background_first=True)
DETECTRON2 = Dialect(0, 0, (0.1, 0.1, 0.2, 0.2), background_first=False)


def caffe_anchors() -> list[list[float]]:
    """Return py-faster-rcnn's anchors of the first cell, ratio by ratio, scale by scale, (A, 4).

    Sides are rounded per ratio and then scaled (lib/rpn/generate_anchors.py).
    """
    middle = (STRIDE_PX - 1) / 2
    anchors = []
    for ratio in RATIOS:
        width = round(math.sqrt(STRIDE_PX**2 / ratio))
        height = round(width * ratio)
        for scale in SCALES:
            half_x, half_y = (width * scale - 1) / 2, (height * scale - 1) / 2
            anchors.append([middle - half_x, middle - half_y, middle + half_x, middle + half_y])
    return anchors


def detectron2_anchors() -> list[list[float]]:
    """Return detectron2's anchors around the corner of the first cell, scale by scale, (A, 4)."""
    anchors = []
    for scale in SCALES:
        for ratio in RATIOS:
            width = math.sqrt((STRIDE_PX * scale) ** 2 / ratio)
            half_x, half_y = width / 2, width * ratio / 2
            anchors.append([-half_x, -half_y, half_x, half_y])
    return anchors


_PIPELINE = (
    {"type": "LoadImageFromNDArray"},
    {"type": "Resize", "scale": (1000, 600), "keep_ratio": True},
    {"type": "PackDetInputs", "meta_keys": ("ori_shape", "img_shape", "scale_factor")},
)


def bottom_up_config(
    depth: int, num_classes: int, anchors: list[list[float]], dialect: Dialect
) -> Config:
    """Return mmdet's config of this detector, for one image at a time.

    Padding to a common size would change the features near the border.

    Args:
        depth: of the ResNet, 50, 101 or 152.
        num_classes: number K of classes, without background.
        anchors: of the first cell, A boxes xyxy in pixels.
        dialect: conventions of the checkpoint.
    """
    resnet = {"depth": depth, "style": "caffe", "norm_cfg": {"type": "BN"}, "norm_eval": True}
    model = {
        "type": "FasterRCNN",
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": list(PIXEL_MEAN_BGR),
            "std": [1.0, 1.0, 1.0],
            "bgr_to_rgb": False,
            "pad_size_divisor": 1,
        },
        "backbone": {
            "type": "CaffeResNet",
            "num_stages": 3,
            "strides": (1, 2, 2),
            "dilations": (1, 1, 1),
            "out_indices": (2,),
            **resnet,
        },
        "rpn_head": _rpn_head(anchors, dialect),
        "roi_head": {
            "type": "StandardRoIHead",
            "shared_head": {"type": "ResLayer", "stage": 3, "stride": 1, "dilation": 2, **resnet},
            "bbox_roi_extractor": {
                "type": "RoIPoolExtractor",
                "roi_layer": {"type": "RoIPool", "output_size": 14},
                "out_channels": 1024,
                "featmap_strides": [STRIDE_PX],
            },
            "bbox_head": _box_head(num_classes, dialect),
        },
        "train_cfg": None,
        "test_cfg": _test_cfg(dialect),
    }
    alone = {"input_multiple_px": 1, "max_batch_images": 1}
    return Config({"model": model, "test_pipeline": [*_PIPELINE], **alone})


def _test_cfg(dialect: Dialect) -> dict[str, object]:
    return {
        "rpn": {
            "nms_pre": 6000,
            "max_per_img": 300,
            "nms": {"type": "nms", "iou_threshold": 0.7},
            "min_bbox_size": dialect.min_side_px,
        },
        "rcnn": {"score_thr": 0.0, "nms": {"type": "nms", "iou_threshold": 0.3}},
    }


def _rpn_head(anchors: list[list[float]], dialect: Dialect) -> dict[str, object]:
    return {
        "type": "CaffeRPNHead",
        "in_channels": 1024,
        "feat_channels": 512,
        "anchor_generator": {"type": "ListedAnchors", "boxes_xyxy": anchors, "stride": STRIDE_PX},
        "bbox_coder": {
            "type": "ExtentBoxCoder",
            "target_stds": (1.0, 1.0, 1.0, 1.0),
            "extent_px": dialect.extent_px,
        },
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True},
    }


def _box_head(num_classes: int, dialect: Dialect) -> dict[str, object]:
    return {
        "type": "OriginalPixelsBBoxHead",
        "with_avg_pool": True,
        "roi_feat_size": 14,
        "in_channels": 2048,
        "num_classes": num_classes,
        "bbox_coder": {
            "type": "ExtentBoxCoder",
            "target_stds": dialect.box_stds,
            "extent_px": dialect.extent_px,
        },
        "reg_class_agnostic": False,
    }
