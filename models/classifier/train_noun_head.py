"""Training of a noun head: which nouns the phrases of an image mention.

A noun that no phrase of an image mentions is unknown, not absent, so such pairs count for less.

Shapes: I images, C channels, N nouns.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from models.classifier.noun_head import NounHead
from models.finite import check_loss


@dataclass(frozen=True)
class NounHeadFit:
    """How a head is fitted: AdamW on standardised features, cosine decay.

    Attributes:
        epochs: passes over the images.
        learning_rate: at the first step.
        weight_decay: AdamW's, on the weight alone.
        negative_weight: weight of a noun not mentioned beside a mentioned one, in (0, 1].
        batch_images: images per step.
        seed: of the order of the images.
    """

    epochs: int
    learning_rate: float
    weight_decay: float
    negative_weight: float
    batch_images: int
    seed: int


def fit_noun_head(
    features: Tensor,
    is_mentioned: Tensor,
    nouns: Sequence[str],
    fit: NounHeadFit,
    watch: Callable[[range], Iterable[int]],
) -> NounHead:
    """Return a trained head; each bias begins at the noun's own frequency, each weight at zero.

    Args:
        features: mean of each feature map, float32 (I, C).
        is_mentioned: a phrase of the image mentions the noun, bool (I, N).
        nouns: N names.
        fit: how.
        watch: yields the epochs it is given, to show progress.

    Raises:
        NonFiniteError: the loss is not finite; names step and epoch.
    """
    mean, std = features.mean(0), features.std(0).clamp(min=1e-6)
    inputs, targets = (features - mean) / std, is_mentioned.float()
    weight = torch.zeros(len(nouns), features.shape[1], requires_grad=True)
    bias = base_rate_logits(is_mentioned, fit.negative_weight).requires_grad_()
    _descend(inputs, targets, weight, bias, fit, watch)
    with torch.no_grad():
        weight = weight / std
        return NounHead(tuple(nouns), weight, bias - weight @ mean)


def base_rate_logits(is_mentioned: Tensor, negative_weight: float) -> Tensor:
    """Return the constant logits of least loss, float32 (N,), of bool (I, N).

    Half an image is added on either side: the logit of a noun of all or of no images stays finite.
    """
    num_positive = is_mentioned.sum(0) + 0.5
    num_negative = (~is_mentioned).sum(0) + 0.5
    return (num_positive / (negative_weight * num_negative)).log()


def noun_loss(logits: Tensor, targets: Tensor, negative_weight: float) -> Tensor:
    """Return the weighted cross-entropy, summed over nouns, mean over images, scalar.

    Args:
        logits: float32 (I, N).
        targets: 1 where the noun is mentioned, else 0, float32 (I, N).
        negative_weight: weight of a noun not mentioned beside a mentioned one.
    """
    weights = targets + (1 - targets) * negative_weight
    losses = binary_cross_entropy_with_logits(logits, targets, weights, reduction="none")
    return losses.sum(1).mean()


def average_precisions(logits: Tensor, is_mentioned: Tensor) -> Tensor:
    """Return each noun's average precision over the images, float32 (N,); NaN if never mentioned.

    Precision is averaged at the rank of each image that mentions the noun; equal scores keep the
    order of the images.
    """
    order = logits.argsort(dim=0, descending=True, stable=True)
    hits = is_mentioned.gather(0, order).float()  # (I, N)
    ranks = torch.arange(1, len(hits) + 1)[:, None]
    return (hits.cumsum(0) / ranks * hits).sum(0) / hits.sum(0)


def _descend(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor,
    bias: Tensor,
    fit: NounHeadFit,
    watch: Callable[[range], Iterable[int]],
) -> None:
    """Train weight and bias in place."""
    groups: list[dict[str, Any]] = [{"params": [weight]}, {"params": [bias], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, fit.learning_rate, weight_decay=fit.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, fit.epochs)
    generator = torch.Generator().manual_seed(fit.seed)
    for epoch in watch(range(fit.epochs)):
        batches = torch.randperm(len(inputs), generator=generator).split(fit.batch_images)
        for index, batch in enumerate(batches):
            logits = inputs[batch] @ weight.T + bias  # (batch, N)
            loss = noun_loss(logits, targets[batch], fit.negative_weight)
            check_loss(loss, epoch * len(batches) + index, len(batches))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
