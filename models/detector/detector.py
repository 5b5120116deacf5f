"""An mmdet detector as a function from images to boxes.

Shapes: M boxes of an image, H W pixels.
"""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image, nms

from models.detector.checkpoint import DetectorInfo, read_detector
from models.detector.openmmlab import (
    Compose,
    Config,
    ConfigDict,
    DetDataSample,
    InstanceData,
    mmdet_scope,
)

INPUT_MULTIPLE_PX = 64  # inputs of one batch share height and width, rounded up to this
MAX_ASPECT = 100  # a strip longer than this would shrink to nothing in the network's input


@dataclass(frozen=True)
class Detections:
    """The boxes of one image by descending score.

    Attributes:
        boxes_xyxy: pixels of the image as given, inside it, float32 (M, 4).
        scores: in [0, 1], float32 (M,).
        labels: index into the detector's classes, int16 (M,).
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int16]


@dataclass(frozen=True)
class NetworkInput:
    """One image as input of the network.

    Attributes:
        index: of the image among those of a call.
        pixels: resized, uint8 (3, H, W).
        sample: sizes and scale factor of the image.
    """

    index: int
    pixels: Tensor
    sample: DetDataSample

    def padded_hw(self, multiple_px: int) -> tuple[int, int]:
        """Return height and width after padding to multiples of `multiple_px`."""
        height, width = (-(-side // multiple_px) * multiple_px for side in self.pixels.shape[1:])
        return height, width


class Detector:
    """A frozen detector; load it with `load_detector`.

    An image's boxes do not depend on the images beside it: only inputs of equal padded height and
    width share a batch, and each batch is filled up to `batch_images`.
    """

    def __init__(
        self, config: Config, model: nn.Module, info: DetectorInfo, batch_images: int
    ) -> None:
        self.info = info
        self.batch_images = min(batch_images, config.get("max_batch_images", batch_images))
        self._model: Any = model
        with mmdet_scope():
            self._prepare = Compose(config.test_pipeline)
        preprocessor: Any = model.data_preprocessor
        self._multiple_px = int(config.get("input_multiple_px", INPUT_MULTIPLE_PX))
        preprocessor.pad_size_divisor = max(preprocessor.pad_size_divisor, self._multiple_px)

    def detect(
        self,
        images: Iterable[NDArray[np.uint8]],
        max_boxes: int,
        score_floor: float,
        nms_iou: float,
        per_class: bool,
    ) -> list[Detections]:
        """Return the boxes of each image.

        Args:
            images: RGB, uint8 (H, W, 3), of any sizes; taken one by one.
            max_boxes: most boxes of an image.
            score_floor: least score of a box, in [0, 1].
            nms_iou: of two boxes with a greater IoU only the one with the higher score stays.
            per_class: boxes of different classes do not suppress each other.

        Returns:
            One item per image, in order; an image without objects has no boxes, and neither has
            a strip more than `MAX_ASPECT` times as long as wide.
        """
        self._set_network_limits(score_floor, nms_iou, per_class)
        inputs = [self._input(index, image) for index, image in enumerate(images)]
        detections = [_no_detections()] * len(inputs)
        usable = [item for item in inputs if item is not None]
        for batch in _batches(usable, self._multiple_px, self.batch_images):
            for item, instances in zip(batch, self._predict(batch), strict=True):
                boxes_xyxy = clip_boxes_to_image(instances.bboxes, item.sample.ori_shape)
                groups = instances.labels if per_class else torch.zeros_like(instances.labels)
                keep = select_boxes(boxes_xyxy, instances.scores, groups, score_floor, nms_iou)
                instances.bboxes = boxes_xyxy
                detections[item.index] = _as_arrays(instances[keep[:max_boxes]])
        return detections

    def _input(self, index: int, image: NDArray[np.uint8]) -> NetworkInput | None:
        """Apply the config's own test pipeline, which starts from B, G, R."""
        shorter, longer = sorted(image.shape[:2])
        if longer > MAX_ASPECT * shorter:
            return None
        prepared = self._prepare({"img": np.ascontiguousarray(image[..., ::-1])})
        return NetworkInput(index, prepared["inputs"], prepared["data_samples"])

    @torch.no_grad()
    def _predict(self, batch: list[NetworkInput]) -> list[InstanceData]:
        """Return the network's detections; black images fill the batch."""
        blanks = [torch.zeros_like(batch[0].pixels)] * (self.batch_images - len(batch))
        samples = [item.sample for item in batch] + [batch[0].sample] * len(blanks)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of mmdet, about torch's newer names
            predictions = self._model.test_step(
                {"inputs": [item.pixels for item in batch] + blanks, "data_samples": samples}
            )
        return [sample.pred_instances for sample in predictions[: len(batch)]]

    def _set_network_limits(self, score_floor: float, nms_iou: float, per_class: bool) -> None:
        """Make the network's own post-processing no stricter than `select_boxes`."""
        suppression = {"type": "nms", "iou_threshold": nms_iou, "class_agnostic": not per_class}
        for name in ("bbox_head", "roi_head"):
            limits: ConfigDict | None = getattr(getattr(self._model, name, None), "test_cfg", None)
            if limits is None:
                continue
            limits.update(score_thr=score_floor, max_per_img=-1)
            if "nms" in limits:
                limits.nms = suppression


def select_boxes(
    boxes_xyxy: Tensor, scores: Tensor, groups: Tensor, score_floor: float, nms_iou: float
) -> Tensor:
    """Return the indices of the boxes to keep, by descending score, int64 (K,).

    Args:
        boxes_xyxy: float32 (M, 4); boxes without area are removed.
        scores: in [0, 1], float32 (M,).
        groups: boxes of different groups do not suppress each other, int64 (M,).
        score_floor: boxes with a lower score are removed.
        nms_iou: a box is removed if its IoU with a better box of its group is greater.
    """
    has_area = (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(1)
    candidates = torch.nonzero(has_area & (scores >= score_floor)).flatten()
    survivors = [candidates[:0]]
    for group in groups[candidates].unique():
        members = candidates[groups[candidates] == group]
        survivors.append(members[nms(boxes_xyxy[members], scores[members], nms_iou)])
    chosen = torch.cat(survivors)  # (K,)
    return chosen[scores[chosen].argsort(descending=True, stable=True)]


def load_detector(folder: Path, device: torch.device, batch_images: int) -> Detector:
    """Return the detector of a folder, frozen.

    Args:
        folder: holds config.py, weights.pth and detector.json.
        device: of the network.
        batch_images: images of one forward pass.

    Raises:
        ModelFileError: config.py, detector.json or weights.pth is missing or broken, or the
            weights do not fit.
    """
    stored = read_detector(folder)
    stored.model.eval().requires_grad_(False)
    return Detector(stored.config, stored.model.to(device), stored.info, batch_images)


def _as_arrays(instances: InstanceData) -> Detections:
    return Detections(
        instances.bboxes.float().cpu().numpy(),
        instances.scores.float().cpu().numpy(),
        instances.labels.cpu().numpy().astype(np.int16),
    )


def _no_detections() -> Detections:
    return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int16))


def _batches(
    inputs: list[NetworkInput], multiple_px: int, batch_images: int
) -> Iterator[list[NetworkInput]]:
    """Yield inputs of equal padded height and width, at most `batch_images` at a time."""
    groups: dict[tuple[int, int], list[NetworkInput]] = {}
    for item in inputs:
        groups.setdefault(item.padded_hw(multiple_px), []).append(item)
    for group in groups.values():
        for start in range(0, len(group), batch_images):
            yield group[start : start + batch_images]
