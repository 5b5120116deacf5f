"""Attention mining: hide what the attention map covers; the classifier should see nothing left.

Shapes: B images, P phrases, K nouns, J distinct (image, noun) pairs, N noun classes,
S input pixels per side, s mining pixels per side, (h, w) cells.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.training.distributed import all_reduce_mean

LOWEST_CONFIDENCE = 0.05  # below it the classifier's word on the masked image means nothing


@dataclass(frozen=True)
class FrozenClassifier:
    """A frozen classifier as the mining loss sees it.

    Attributes:
        probs: RGB images in [0, 1], float32 (J, 3, s, s) -> probabilities, float32 (J, N). Its
            graph to the images must stay open.
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
    """What mining yields for one batch; all scalars, 0 where nothing was mined.

    Attributes:
        loss: L_am, mean probability of the hidden nouns, weighted by their confidence.
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
    """J nouns to mine: maps (J, h, w); image_index, classes, confidences and weights (J,)."""

    maps: Tensor
    image_index: Tensor
    classes: Tensor
    confidences: Tensor
    weights: Tensor


def select_nouns(
    attention_maps: Tensor, used: Tensor, noun_classes: Tensor, confidences: Tensor
) -> MinedNouns:
    """Pick the nouns to mine; a noun named by several phrases of an image is mined once.

    Its map is the same each time, so once with the summed weight is exact.

    Args:
        attention_maps: float (B, P, K, h, w).
        used: True for nouns that may be mined, bool (B, P, K).
        noun_classes: class index, -1 for none, i64 (B, P, K).
        confidences: probability of the noun in the intact image, float32 (B, P, K).

    Returns:
        The nouns with a class that the classifier sees at all; a noun's weight is its confidence
        times the phrases that name it.
    """
    chosen = used & (noun_classes >= 0) & (confidences >= LOWEST_CONFIDENCE)
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
    scorer: FrozenClassifier,
    mining_px: int,
) -> Tensor:
    """Ask the classifier for the confidences that nobody knows, one pass an image that has some.

    A crop may cut a noun off, and a classifier that sees none in what is left says nothing about
    what to hide there.

    Args:
        confidences: in [0, 1], or -1 for not known, float32 (B, P, K).
        noun_classes: class index, -1 for none, i64 (B, P, K).
        clean_images: RGB in [0, 1] without colour jitter, float32 (B, 3, S, S).
        scorer: the frozen classifier.
        mining_px: side of the images that it is shown.

    Returns:
        All confidences, in [0, 1], float32 (B, P, K).
    """
    unknown = (confidences < 0) & (noun_classes >= 0)  # (B, P, K)
    rows = unknown.any(-1).any(-1)  # (B,)
    if not rows.any():
        return confidences.clamp(min=0)
    probs = scorer.probs(_resize(clean_images[rows], mining_px))  # (b, N)
    classes = noun_classes[rows].clamp(min=0)  # (b, P, K)
    asked = confidences.clone()
    asked[rows] = probs.gather(1, classes.flatten(1)).view_as(classes)
    return torch.where(unknown, asked, confidences.clamp(min=0))


def sample_nouns(nouns: MinedNouns, most: int) -> MinedNouns:
    """Return `most` of the nouns, each as likely as the others, in order; 0 means all."""
    if most == 0 or len(nouns.weights) <= most:
        return nouns
    drawn = torch.randperm(len(nouns.weights))[:most].sort().values.to(nouns.weights.device)
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
    scorer: FrozenClassifier,
    soft_mask: SoftMask,
    mining_px: int,
) -> Mined:
    """Hide every noun's attention in its image and ask the classifier for the noun.

    Args:
        nouns: what to mine, of `select_nouns`.
        clean_images: RGB in [0, 1] without colour jitter, float32 (B, 3, S, S).
        cell_mask: True = image, bool (B, h, w).
        scorer: the frozen classifier.
        soft_mask: how attention becomes a mask.
        mining_px: side of the images that the classifier is shown.
    """
    total = all_reduce_mean(nouns.weights.sum())
    if len(nouns.weights) == 0:
        nothing = nouns.maps.sum() * 0
        return Mined(nothing, nothing, nothing, nothing)
    share = nouns.weights / total  # (J,)
    images = _resize(clean_images, mining_px)[nouns.image_index]  # (J, 3, s, s)
    hidden = erase(images, nouns.maps, soft_mask, scorer.blank)
    hidden_probs = scorer.probs(hidden).gather(1, nouns.classes[:, None])[:, 0]
    with torch.no_grad():
        blank_probs = scorer.probs(scorer.blank.expand_as(images[:1]))[0, nouns.classes]
    cells = cell_mask[nouns.image_index]  # (J, h, w)
    areas = (nouns.maps * cells).sum((-2, -1)) / cells.sum((-2, -1)).clamp(min=1)
    return Mined(
        (share * hidden_probs).sum(),
        (share * areas).sum(),
        (share * nouns.confidences).sum(),
        (share * blank_probs).sum(),
    )


def erase(images: Tensor, maps: Tensor, soft_mask: SoftMask, blank: Tensor) -> Tensor:
    """Replace what maps (J, h, w) attend to by `blank` in images (J, 3, s, s)."""
    sized = _resize(maps[:, None], images.shape[-1])
    mask = torch.sigmoid(soft_mask.sharpness * (sized - soft_mask.threshold))  # (J, 1, s, s)
    return images + (blank - images) * mask


def _resize(images: Tensor, side_px: int) -> Tensor:
    if images.shape[-2:] == (side_px, side_px):
        return images
    return F.interpolate(images, (side_px, side_px), mode="bilinear", antialias=True)
