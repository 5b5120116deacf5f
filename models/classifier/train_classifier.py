"""Train an image classifier from nothing: a plain loop, small enough for a CPU.

Shapes: I pictures, B of them in a step, H W pixels, N classes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.classifier.classifier import Classifier, ClassifierInfo, build_network
from models.finite import check_loss

_MEAN = _STD = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class ClassifierFit:
    """How a classifier is trained: AdamW, one cycle of the learning rate, mirrored pictures.

    Attributes:
        arch: one of `models.classifier.classifier.ARCHITECTURES`.
        width: channel multiplier.
        epochs: passes over the pictures.
        learning_rate: at its highest.
        weight_decay: AdamW's.
        batch_images: pictures per step.
        seed: of the weights, the order and the mirroring.
    """

    arch: str
    width: float
    epochs: int
    learning_rate: float
    weight_decay: float
    batch_images: int
    seed: int


def train_classifier(
    pictures: Sequence[NDArray[np.uint8]],
    labels: Sequence[int],
    classes: Sequence[str],
    fit: ClassifierFit,
    watch: Callable[[range], Iterable[int]],
) -> Classifier:
    """Return a trained classifier in evaluation mode.

    The caller's random state is left as it was.

    Args:
        pictures: RGB, all of one size, uint8 (H, W, 3) each.
        labels: index of each picture's class.
        classes: N names.
        fit: how.
        watch: yields the epochs it is given, to show progress.

    Raises:
        NonFiniteError: the loss is not finite; names step and epoch.
    """
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)  # (I, 3, H, W)
    targets = torch.tensor(labels)
    info = ClassifierInfo(
        fit.arch,
        fit.width,
        _MEAN,
        _STD,
        bgr=False,
        classes=tuple(classes),
        training_set="pictures drawn by the project",
        licence="Apache-2.0",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(fit.seed)
        classifier = Classifier(build_network(fit.arch, fit.width, len(classes)), info)
        _descend(classifier, images, targets, fit, watch)
    return classifier.eval()


def _descend(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    fit: ClassifierFit,
    watch: Callable[[range], Iterable[int]],
) -> None:
    """Train in place; a last, incomplete batch is left out, as batch norm wants many."""
    batch_images = min(fit.batch_images, len(images))
    steps = len(images) // batch_images
    optimiser = torch.optim.AdamW(
        classifier.parameters(), fit.learning_rate, weight_decay=fit.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, fit.learning_rate, total_steps=fit.epochs * steps
    )
    for epoch in watch(range(fit.epochs)):
        for index, batch in enumerate(torch.randperm(len(images)).split(batch_images)[:steps]):
            loss = cross_entropy(classifier(_mirrored(images[batch])), targets[batch])
            check_loss(loss, epoch * steps + index, steps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def _mirrored(images: Tensor) -> Tensor:
    """Return RGB in [0, 1], float32 (B, 3, H, W), of uint8, every other one mirrored by chance."""
    mirror = torch.rand(len(images)) < 0.5
    return torch.where(mirror[:, None, None, None], images.flip(-1), images).float() / 255
