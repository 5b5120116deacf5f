"""Train the small detector from nothing: a plain loop around mmdet's losses.

Shapes: n boxes of an image, H W pixels.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.detector.checkpoint import build_model
from models.detector.openmmlab import Config, DetDataSample, InstanceData
from models.detector.small_faster_rcnn import small_detector_config
from models.finite import check_loss

WARMUP = 0.1  # of all steps
WEIGHT_DECAY = 0.01
GRAD_CLIP_NORM = 5.0


@dataclass(frozen=True)
class DetectionExample:
    """One picture and what it shows.

    Attributes:
        image: RGB, uint8 (H, W, 3).
        boxes_xyxy: pixels, float32 (n, 4); n may be 0.
        labels: index into the classes, int64 (n,).
    """

    image: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class DetectorFit:
    """How a detector is trained: AdamW, warm-up, cosine, mirrored pictures.

    Attributes:
        epochs: passes over the pictures.
        batch_images: pictures per step.
        learning_rate: at its highest.
        base_channels: of the ResNet-18's first stage.
        seed: of the weights, the order and the mirroring.
    """

    epochs: int
    batch_images: int
    learning_rate: float
    base_channels: int
    seed: int


@dataclass(frozen=True)
class TrainedDetector:
    """A trained detector.

    Attributes:
        config: for `models.detector.checkpoint.save_detector`.
        model: in evaluation mode.
        losses: one per step.
    """

    config: Config
    model: nn.Module
    losses: tuple[float, ...]


def train_detector(
    examples: Sequence[DetectionExample],
    num_classes: int,
    fit: DetectorFit,
    watch: Callable[[range], Iterable[int]],
) -> TrainedDetector:
    """Return a trained detector; equal arguments give equal weights on one machine.

    The caller's random state is left as it was.

    Args:
        examples: pictures of about one size, at least one of them with a box.
        num_classes: labels are below it.
        fit: how.
        watch: yields the steps it is given, to show progress.

    Raises:
        NonFiniteError: the loss is not finite; names step and epoch.
    """
    long_side_px = max(max(example.image.shape[:2]) for example in examples)
    config = small_detector_config(
        num_classes, fit.base_channels, _small_object_px(examples), long_side_px
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(fit.seed)
        model = build_model(config)
        model.init_weights()  # type: ignore[operator]
        losses = _descend(model, examples, fit, watch)
    return TrainedDetector(config, model.eval(), tuple(losses))


def _small_object_px(examples: Sequence[DetectionExample]) -> float:
    """Return the square root of the area that a tenth of all objects does not reach."""
    boxes_xyxy = np.concatenate([example.boxes_xyxy for example in examples])  # (n, 4)
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return round(float(np.quantile(np.sqrt(areas), 0.1)), 1)


def _descend(
    model: Any,
    examples: Sequence[DetectionExample],
    fit: DetectorFit,
    watch: Callable[[range], Iterable[int]],
) -> list[float]:
    """Train in place; return the loss of each step."""
    optimiser = torch.optim.AdamW(model.parameters(), fit.learning_rate, weight_decay=WEIGHT_DECAY)
    steps_per_epoch = math.ceil(len(examples) / fit.batch_images)
    steps = fit.epochs * steps_per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: cosine_with_warmup(step, steps)
    )
    model.train()
    order = _order(len(examples), fit.epochs, fit.batch_images)
    losses = []
    for step in watch(range(steps)):
        batch = _batch([examples[index] for index in order[step]])
        data = model.data_preprocessor(batch, training=True)
        loss, _ = model.parse_losses(model(**data, mode="loss"))
        check_loss(loss, step, steps_per_epoch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRAD_CLIP_NORM)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses


def cosine_with_warmup(step: int, num_steps: int) -> float:
    """Return the share of the highest learning rate, in (0, 1]: a linear rise times half a cosine.

    Step t of n, counted from 0, gets min(1, (t + 1) / (0.1 n)) (1 + cos(pi t / n)) / 2.
    """
    rise = min(1.0, (step + 1) / (WARMUP * num_steps))
    return rise * 0.5 * (1 + math.cos(math.pi * step / num_steps))


def _order(num_examples: int, epochs: int, batch_images: int) -> list[list[int]]:
    """Return the examples of each step; every epoch holds each of them once."""
    epoch_orders = [torch.randperm(num_examples) for _ in range(epochs)]
    return [part.tolist() for order in epoch_orders for part in order.split(batch_images)]


def _batch(examples: Sequence[DetectionExample]) -> dict[str, list[Any]]:
    """Return what mmdet's preprocessor takes; every other picture is mirrored by chance."""
    pairs = [_packed(example, bool(torch.rand(()) < 0.5)) for example in examples]
    return {"inputs": [pair[0] for pair in pairs], "data_samples": [pair[1] for pair in pairs]}


def _packed(example: DetectionExample, mirrored: bool) -> tuple[Tensor, DetDataSample]:
    """Return the pixels, B G R, uint8 (3, H, W), and what they show."""
    pixels = torch.from_numpy(np.ascontiguousarray(example.image)).permute(2, 0, 1).flip(0)
    boxes_xyxy, image_hw = torch.from_numpy(example.boxes_xyxy), example.image.shape[:2]
    if mirrored:
        pixels, (left, top, right, bottom) = pixels.flip(-1), boxes_xyxy.unbind(1)
        boxes_xyxy = torch.stack([image_hw[1] - right, top, image_hw[1] - left, bottom], 1)
    sample = DetDataSample(metainfo={"img_shape": image_hw})
    sample.gt_instances = InstanceData(bboxes=boxes_xyxy, labels=torch.from_numpy(example.labels))
    return pixels, sample
