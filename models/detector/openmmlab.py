"""Import mmdet with mmcv-lite, and re-export the parts of it that this project uses.

mmdet imports `mmcv._ext`, the compiled half of mmcv, which mmcv-lite does not have. Of its
operators the detectors of this project need NMS alone, which torchvision has.
"""

import importlib
import sys
import types
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor
from torchvision.ops import nms as torchvision_nms

from models.mmengine_parts import (
    Config,
    ConfigDict,
    DefaultScope,
    InstanceData,
    MMLogger,
    init_default_scope,
)

EXTENSION = "mmcv._ext"


def nms(boxes_xyxy: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the boxes that greedy suppression keeps, as mmcv's operator `nms`.

    Args:
        boxes_xyxy: corners, float32 (M, 4).
        scores: any range, float32 (M,).
        iou_threshold: a box is removed if its IoU with a better kept box is greater.
        offset: what mmcv adds to width and height; must be 0, for continuous corners.

    Returns:
        Indices of the kept boxes by descending score, int64 (K,).
    """
    assert offset == 0, f"nms with offset {offset} needs compiled mmcv; use offset 0"
    return torchvision_nms(boxes_xyxy.float(), scores.float(), iou_threshold)


class MissingOps(types.ModuleType):
    """A substitute of mmcv's extension module with the one operator `nms`."""

    nms = staticmethod(nms)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a function that raises `NotImplementedError` for the operator `name`."""
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_args: object, **_kwargs: object) -> None:
            raise NotImplementedError(
                f"the operator `{name}` needs compiled mmcv; mmcv-lite, which is installed, does "
                "not have it. Install mmcv 2.1 built for this torch, or use a detector without it "
                "(RoIAlign: use_torchvision=True)"
            )

        return missing


def install_missing_ops() -> None:
    """Register `MissingOps` as `mmcv._ext` unless the compiled module can be imported."""
    try:
        importlib.import_module(EXTENSION)
    except ImportError:
        sys.modules[EXTENSION] = MissingOps(EXTENSION)


install_missing_ops()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for _registering in ("mmdet.datasets.transforms", "mmdet.models"):
        importlib.import_module(_registering)
    from mmcv.transforms import Compose
    from mmdet.models.backbones import ResNet
    from mmdet.models.dense_heads import RPNHead
    from mmdet.models.detectors import SingleStageDetector, TwoStageDetector
    from mmdet.models.roi_heads.bbox_heads import BBoxHead
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
    from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
    from mmdet.models.task_modules.prior_generators import AnchorGenerator
    from mmdet.registry import MODELS, TASK_UTILS
    from mmdet.structures import DetDataSample

__all__ = [
    "MODELS",
    "TASK_UTILS",
    "AnchorGenerator",
    "BBoxHead",
    "Compose",
    "Config",
    "ConfigDict",
    "DeltaXYWHBBoxCoder",
    "DetDataSample",
    "InstanceData",
    "RPNHead",
    "ResNet",
    "SingleRoIExtractor",
    "SingleStageDetector",
    "TwoStageDetector",
    "mmdet_scope",
]

init_default_scope("mmdet")
MMLogger.get_current_instance().setLevel("WARNING")


def mmdet_scope() -> AbstractContextManager[None]:
    """Return a context in which registries look up names in mmdet."""
    return DefaultScope.overwrite_default_scope("mmdet")
