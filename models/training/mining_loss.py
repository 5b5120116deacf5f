"""Attention mining: the classifier should not find a noun once its attention map is erased.

Shapes: B images, P phrases, K nouns, J distinct (image, noun) pairs, N noun classes,
S input pixels per side, s mining pixels per side, (h, w) cells.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.training.distributed import all_reduce_mean

LOWEST_CONFIDENCE = 0.05  # below it the classifier's probability on the erased image is meaningless


@dataclass(frozen=True)
class FrozenClassifier:
    """A frozen classifier as the mining loss uses it.

    Attributes:
        probs: function of RGB images in [0, 1], float32 (J, 3, s, s); probabilities, float32
            (J, N), through which gradient flows to the images.
        blank: the colour that the classifier's normalisation turns into zero, RGB in [0, 1],
            float32, anything that broadcasts to (J, 3, s, s).
    """

    probs: Callable[[Tensor], Tensor]
    blank: Tensor


@dataclass(frozen=True)
class SoftMask:
    """T = sigmoid(sharpness (A - threshold)), GAIN's soft threshold (arXiv 1802.10171, eq. 4)."""

    sharpness: float
    threshold: float


@dataclass(frozen=True)
class Mined:
    """Losses of one batch and values to log; all scalars, 0 where nothing was mined.

    Attributes:
        loss: L_am, mean probability of the erased nouns, weighted by their confidence.
        area: mean of the attention maps over image cells, weighted likewise.
        intact_prob: the classifier's probability in the intact image, weighted likewise.
        blank_prob: the same in a blank image: the floor under `loss`.
    """

    loss: Tensor
    area: Tensor
    intact_prob: Tensor
    blank_prob: Tensor


@dataclass(frozen=True)
class MinedNouns:
    """J distinct nouns of images.

    Attributes:
        maps: attention maps, float (J, h, w).
        image_index: image of each noun, i64 (J,).
        classes: class index of each noun, i64 (J,).
        confidences: probability in the intact image, float32 (J,).
        weights: confidence times the number of phrases that name the noun, float32 (J,).
    """

    maps: Tensor
    image_index: Tensor
    classes: Tensor
    confidences: Tensor
    weights: Tensor


def select_nouns(
    attention_maps: Tensor, mined_mask: Tensor, noun_classes: Tensor, confidences: Tensor
) -> MinedNouns:
    """Return the nouns to mine; a noun named by several phrases of an image counts once.

    Its map is the same each time, so once with the summed weight is exact.

    Args:
        attention_maps: float (B, P, K, h, w).
        mined_mask: True for nouns that may be mined, bool (B, P, K).
        noun_classes: class index, -1 for none, i64 (B, P, K).
        confidences: probability of the noun in the intact image, float32 (B, P, K).

    Returns:
        The nouns that have a class and at least the lowest confidence.
    """
    chosen = mined_mask & (noun_classes >= 0) & (confidences >= LOWEST_CONFIDENCE)
    places = chosen.nonzero()  # (M, 3)
    classes = noun_classes[chosen]  # (M,)
    pairs = torch.stack([places[:, 0], classes], dim=-1)
    distinct, group = pairs.unique(dim=0, return_inverse=True)  # (J, 2), (M,)
    order = torch.arange(len(group), device=group.device)
    first = order.new_full((len(distinct),), len(group)).scatter_reduce(0, group, order, "amin")
    flat = confidences.detach()[chosen]  # (M,)
    weights = flat.new_zeros(len(distinct)).index_add(0, group, flat)
    maps = attention_maps[chosen][first]  # (J, h, w)
    return MinedNouns(maps, distinct[:, 0], distinct[:, 1], flat[first], weights)


@torch.no_grad()
def fill_missing_confidences(
    confidences: Tensor,
    noun_classes: Tensor,
    clean_images: Tensor,
    classifier: FrozenClassifier,
    mining_px: int,
) -> Tensor:
    """Return the confidences with the missing ones computed, one pass per image that has some.

    They are missing after a crop, which may have cut the noun off.

    Args:
        confidences: in [0, 1], or -1 where missing, float32 (B, P, K).
        noun_classes: class index, -1 for none, i64 (B, P, K).
        clean_images: RGB in [0, 1] without colour jitter, float32 (B, 3, S, S).
        classifier: the frozen classifier.
        mining_px: side of the classifier's input.

    Returns:
        In [0, 1], float32 (B, P, K).
    """
    missing = (confidences < 0) & (noun_classes >= 0)  # (B, P, K)
    rows = missing.any(-1).any(-1)  # (B,)
    if not rows.any():
        return confidences.clamp(min=0)
    probs = classifier.probs(_resize(clean_images[rows], mining_px))  # (b, N)
    classes = noun_classes[rows].clamp(min=0)  # (b, P, K)
    computed = confidences.clone()
    computed[rows] = probs.gather(1, classes.flatten(1)).view_as(classes)
    return torch.where(missing, computed, confidences.clamp(min=0))


def sample_nouns(nouns: MinedNouns, max_nouns: int) -> MinedNouns:
    """Return `max_nouns` of the nouns, drawn uniformly, in their order; 0 means all."""
    if max_nouns == 0 or len(nouns.weights) <= max_nouns:
        return nouns
    drawn = torch.randperm(len(nouns.weights))[:max_nouns].sort().values.to(nouns.weights.device)
    return MinedNouns(
        nouns.maps[drawn],
        nouns.image_index[drawn],
        nouns.classes[drawn],
        nouns.confidences[drawn],
        nouns.weights[drawn],
    )


def mining_loss(
    nouns: MinedNouns,
    clean_images: Tensor,
    cell_mask: Tensor,
    classifier: FrozenClassifier,
    soft_mask: SoftMask,
    mining_px: int,
) -> Mined:
    """Compute the mining loss: the probability of each noun in its image without its attention.

    Args:
        nouns: of `select_nouns`.
        clean_images: RGB in [0, 1] without colour jitter, float32 (B, 3, S, S).
        cell_mask: True = image, bool (B, h, w).
        classifier: the frozen classifier.
        soft_mask: threshold that turns attention into a mask.
        mining_px: side of the classifier's input.
    """
    total = all_reduce_mean(nouns.weights.sum())
    if len(nouns.weights) == 0:
        zero = nouns.maps.sum() * 0
        return Mined(zero, zero, zero, zero)
    share = nouns.weights / total  # (J,)
    images = _resize(clean_images, mining_px)[nouns.image_index]  # (J, 3, s, s)
    erased = erase(images, nouns.maps, soft_mask, classifier.blank)
    erased_probs = classifier.probs(erased).gather(1, nouns.classes[:, None])[:, 0]
    with torch.no_grad():
        blank_probs = classifier.probs(classifier.blank.expand_as(images[:1]))[0, nouns.classes]
    cells = cell_mask[nouns.image_index]  # (J, h, w)
    areas = (nouns.maps * cells).sum((-2, -1)) / cells.sum((-2, -1)).clamp(min=1)
    return Mined(
        (share * erased_probs).sum(),
        (share * areas).sum(),
        (share * nouns.confidences).sum(),
        (share * blank_probs).sum(),
    )


def erase(images: Tensor, maps: Tensor, soft_mask: SoftMask, blank: Tensor) -> Tensor:
    """Return the images with what their maps attend to replaced by `blank`, float32 (J, 3, s, s).

    Args:
        images: RGB in [0, 1], float32 (J, 3, s, s).
        maps: attention in [0, 1], float (J, h, w); resized to the images.
        soft_mask: threshold that turns attention into a mask.
        blank: colour, RGB in [0, 1], broadcasts to the images.
    """
    sized = _resize(maps[:, None], images.shape[-1])
    mask = torch.sigmoid(soft_mask.sharpness * (sized - soft_mask.threshold))  # (J, 1, s, s)
    return images + (blank - images) * mask


def _resize(images: Tensor, side_px: int) -> Tensor:
    if images.shape[-2:] == (side_px, side_px):
        return images
    return F.interpolate(images, (side_px, side_px), mode="bilinear", antialias=True)
