"""Scores of nouns by a detector: its best score of a label that a noun means.

The score is the largest over anchors, or over regions of the first stage, so it has no place;
Grad-CAM at a layer of the backbone or neck gives one. Supported are mmdet detectors with a dense
head or with a region head of one step.

Shapes: B images, A anchors or regions of an image, L labels, N nouns, S pixels per side.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.detector.checkpoint import DetectorInfo, read_detector
from models.detector.openmmlab import (
    Config,
    DetDataSample,
    InstanceData,
    SingleStageDetector,
    TwoStageDetector,
)
from models.given_files.safe_load import ModelFileError
from models.grad_cam.scorer import NounScorer, NounScores, in_whole_cells, routes_of
from models.noun_classes.imagenet import NounClasses


class DetectorScorer(NounScorer):
    """Scores a noun by the best box of any label that the noun means.

    The probability is the best box's, as mmdet computes it (class times objectness, where there is
    one); the logit is its log-odds, which keeps a gradient where the probability has none left.
    """

    padding: Tensor

    def __init__(
        self,
        model: Any,
        info: DetectorInfo,
        padding: Tensor,
        noun_classes: Mapping[str, NounClasses],
    ) -> None:
        """Join a detector and the labels of each noun.

        Args:
            model: of mmdet.
            info: its name and training set.
            padding: the colour that it pads images with, RGB in [0, 1], float32 (3, 1, 1).
            noun_classes: the labels that each noun means.

        Raises:
            ModelFileError: the kind of the detector's head is not supported.
        """
        last = [name for name, _ in model.backbone.named_children()][-1]
        super().__init__(model, routes_of(noun_classes), f"backbone.{last}")
        self.register_buffer("padding", padding)
        self.info = info
        self.groups = tuple(group.classes for group in noun_classes.values())
        self._model: Any = model
        self._log_probs = _head_of(model)

    @property
    def blank(self) -> Tensor:
        """The colour that the detector pads images with, RGB in [0, 1], float32 (3, 1, 1)."""
        return self.padding

    def scores(self, images: Tensor) -> NounScores:
        """Return the scores of every noun in RGB images in [0, 1], float32 (B, 3, S, S)."""
        best = self._log_probs(self._model, self._prepare(images)).clamp(max=-1e-15)  # (B, L)
        chosen = [best[:, group].amax(1) for group in self.groups]
        log_probs = torch.stack(chosen, 1) if chosen else best[:, :0]  # (B, N), float64
        logits = log_probs - torch.log(-torch.expm1(log_probs))  # log(p / (1 - p))
        return NounScores(logits.float(), log_probs.exp().float())

    def describe(self) -> dict[str, str]:
        """Return `network`, the detector's name, and `training_set`."""
        return {"network": self.info.name, "training_set": self.info.training_set}

    def _prepare(self, images: Tensor) -> Tensor:
        """Return what the network takes, after the detector's own preprocessor."""
        to = self._model.data_preprocessor
        pixels = 255 * in_whole_cells(images, to.pad_size_divisor)
        if not to._channel_conversion:  # it takes B, G, R as images come to it
            pixels = pixels.flip(1)
        return (pixels - to.mean) / to.std if to._enable_normalize else pixels


def load_detector_scorer(folder: Path, noun_classes: Mapping[str, NounClasses]) -> DetectorScorer:
    """Return the scorer by the detector of a folder.

    Args:
        folder: holds config.py, weights.pth and detector.json.
        noun_classes: the labels that each noun means.

    Raises:
        ModelFileError: a file is missing, broken or does not fit, or the kind of head is not
            supported.
    """
    return open_detector_scorer(folder)(noun_classes)


def open_detector_scorer(folder: Path) -> Callable[[Mapping[str, NounClasses]], DetectorScorer]:
    """Load a detector once; return a function from the labels that nouns mean to their scorer.

    Raises:
        ModelFileError: a file is missing, broken or does not fit; the function raises it for a
            kind of head that is not supported.
    """
    stored = read_detector(folder)
    padding = _padding(stored.config, stored.model)
    return lambda noun_classes: DetectorScorer(stored.model, stored.info, padding, noun_classes)


def _padding(config: Config, model: Any) -> Tensor:
    """Return what the test pipeline pads with, else what the normalisation turns into zero."""
    for step in config.test_pipeline:
        if step["type"] == "Pad" and "pad_val" in step:
            value = step["pad_val"]
            colour = value["img"] if isinstance(value, dict) else (value,) * 3
            return torch.tensor(colour[::-1], dtype=torch.float32).view(3, 1, 1) / 255
    to = model.data_preprocessor
    if not to._enable_normalize:
        return torch.zeros(3, 1, 1)
    return (to.mean if to._channel_conversion else to.mean.flip(0)) / 255


def _head_of(model: Any) -> Any:
    """Return the function that reads a detector's head.

    Raises:
        ModelFileError: the head is of another kind.
    """
    if isinstance(model, SingleStageDetector):
        return _dense_log_probs
    if isinstance(model, TwoStageDetector) and hasattr(model.roi_head.bbox_head, "loss_cls"):
        return _region_log_probs
    raise ModelFileError(
        f"cams.scorer: detector cannot explain a {type(model).__name__}: only dense heads and "
        "region heads of one step are known; choose another scorer"
    )


def _dense_log_probs(model: Any, pixels: Tensor) -> Tensor:
    """Return the best log-probability of each label over all anchors, float64 (B, L)."""
    head = model.bbox_head
    outputs = head(model.extract_feat(pixels))
    channels = head.cls_out_channels
    best = []
    for level, cls_scores in enumerate(outputs[0]):
        logits = _per_anchor(cls_scores, channels)  # (B, A, channels)
        if head.use_sigmoid_cls:
            log_probs = F.logsigmoid(logits)
        else:
            log_probs = logits.log_softmax(-1)[..., :-1]  # the last one is the background
        if len(outputs) > 2 and outputs[2][level].shape[1] * channels == cls_scores.shape[1]:
            log_probs = log_probs + F.logsigmoid(_per_anchor(outputs[2][level], 1))  # objectness
        best.append(log_probs.amax(1))  # (B, L)
    return torch.stack(best).amax(0)


def _per_anchor(maps: Tensor, channels: int) -> Tensor:
    """Turn (B, A' channels, h, w) into float64 (B, h w A', channels)."""
    return maps.double().permute(0, 2, 3, 1).reshape(len(maps), -1, channels)


def _region_log_probs(model: Any, pixels: Tensor) -> Tensor:
    """Return the best log-probability of each label over all regions, float64 (B, L).

    Image by image, so that the result of one does not depend on how many regions another has.
    """
    features = model.extract_feat(pixels)
    regions = _regions(model, features, pixels)
    head = model.roi_head.bbox_head
    best = []
    for image, boxes_xyxy in enumerate(regions):
        rois = F.pad(boxes_xyxy, (1, 0), value=image)  # (A, 5)
        logits = model.roi_head._bbox_forward(features, rois)["cls_score"].double()
        if getattr(head.loss_cls, "custom_cls_channels", False):  # what mmdet asks, too
            log_probs = head.loss_cls.get_activation(logits).clamp(min=1e-300).log()
        else:
            log_probs = logits.log_softmax(-1)
        best.append(log_probs[:, : head.num_classes].amax(0))  # (L,); the background is the last
    return torch.stack(best)


@torch.no_grad()
def _regions(model: Any, features: Any, pixels: Tensor) -> list[Tensor]:
    """Return the first stage's boxes of each image, xyxy in its input, float32 (A, 4) each.

    The whole image replaces them where there are none.
    """
    height, width = pixels.shape[-2:]
    hw, unscaled = (height, width), (1.0, 1.0)
    meta = {"img_shape": hw, "ori_shape": hw, "pad_shape": hw, "scale_factor": unscaled}
    samples = [DetDataSample(metainfo=meta) for _ in pixels]
    proposals: list[InstanceData] = model.rpn_head.predict(features, samples, rescale=False)
    whole = pixels.new_tensor([[0, 0, width, height]])  # (1, 4)
    return [item.bboxes if len(item.bboxes) else whole for item in proposals]
