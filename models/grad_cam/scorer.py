"""Frozen scores of nouns in images: what Grad-CAM explains and attention mining asks.

Shapes: B images, S pixels per side, C channels, K of N nouns, (h, w) cells of a layer.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from models.noun_classes.imagenet import NounClasses, Route


@dataclass(frozen=True)
class NounScores:
    """What one pass says of every noun.

    Attributes:
        logits: unbounded, what CAMs explain, float32 (B, N).
        probs: how sure the network is, in [0, 1], float32 (B, N).
    """

    logits: Tensor
    probs: Tensor


class NounScorer(nn.Module, ABC):
    """Scores of nouns by a frozen network; gradient flows to the image, never to a weight.

    It stays in evaluation mode whatever mode its owner is put in.

    Attributes:
        network: what is frozen; `default_layer` and `cams.layer` name modules of it.
        nouns: what the N scores are about.
        routes: how each of the nouns found what it means to the network.
        default_layer: the layer that is explained unless another one is named.
    """

    network: nn.Module
    nouns: tuple[str, ...]
    routes: tuple[Route, ...]
    default_layer: str

    def __init__(self, network: nn.Module, nouns: Mapping[str, Route], default_layer: str) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.nouns, self.routes = tuple(nouns), tuple(nouns.values())
        self.default_layer = default_layer
        self.eval()

    def train(self, mode: bool = True) -> "NounScorer":  # noqa: ARG002 - nn.Module's signature
        """Stay in evaluation mode."""
        return super().train(False)

    @property
    @abstractmethod
    def blank(self) -> Tensor:
        """The colour that counts as nothing, RGB in [0, 1], float32 (3, 1, 1)."""

    @abstractmethod
    def scores(self, images: Tensor) -> NounScores:
        """Return the scores of every noun in RGB images in [0, 1], float32 (B, 3, S, S)."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Return which network it is and what it was trained on."""

    def grid(self, activations: Tensor) -> Tensor:
        """Return what a layer puts out as maps, float32 (B, C, h, w)."""
        return activations

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every noun, float32 (B, N), of RGB images in [0, 1]."""
        return self.scores(images).logits

    def probs(self, images: Tensor) -> Tensor:
        """Return how sure it is of each noun, in [0, 1], float32 (B, N), of RGB in [0, 1]."""
        return self.scores(images).probs


class PooledScorer(NounScorer):
    """A scorer that sees the last layer's maps only through their mean over cells.

    Its CAMs need no backward pass: the derivative of each logit by those means says it all.
    """

    @abstractmethod
    def feature_maps(self, images: Tensor) -> Tensor:
        """Return the last layer's maps, float32 (B, C, h, w), of RGB in [0, 1] (B, 3, H, W)."""

    @abstractmethod
    def scores_of(self, features: Tensor) -> NounScores:
        """Return the scores of feature maps (B, C, h, w)."""

    @abstractmethod
    def pooled_weight(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return d logit / d (mean over cells of each feature), float32 (B, K, C)."""

    def scores(self, images: Tensor) -> NounScores:
        """Return the scores of every noun in RGB images in [0, 1], float32 (B, 3, H, W)."""
        return self.scores_of(self.feature_maps(images))


def routes_of(found: Mapping[str, NounClasses]) -> dict[str, Route]:
    """Return how each noun found its classes."""
    return {noun: meant.route for noun, meant in found.items()}


def in_whole_cells(images: Tensor, stride_px: int) -> Tensor:
    """Enlarge images (B, 3, H, W) bilinearly until whole cells of `stride_px` cover them."""
    height, width = (-(-side // stride_px) * stride_px for side in images.shape[-2:])
    if (height, width) == tuple(images.shape[-2:]):
        return images
    return F.interpolate(images, (height, width), mode="bilinear", align_corners=False)
