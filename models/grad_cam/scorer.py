"""Frozen networks that score nouns in images, for Grad-CAM and for attention mining.

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
    """Scores of every noun in a batch of images.

    Attributes:
        logits: unbounded, explained by Grad-CAM, float32 (B, N).
        probs: probability that the image shows the noun, in [0, 1], float32 (B, N).
    """

    logits: Tensor
    probs: Tensor


class NounScorer(nn.Module, ABC):
    """A frozen network that scores nouns; gradient flows to the image, never to a weight.

    It stays in evaluation mode whatever mode the module that holds it is put in.

    Attributes:
        network: the frozen network; `default_layer` and `cams.layer` name modules of it.
        nouns: the N nouns, in the order of the scores.
        routes: by which route each noun was mapped to classes of the network.
        default_layer: name of the layer that is explained unless `cams.layer` names another.
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
        """Colour of an image without content, RGB in [0, 1], float32 (3, 1, 1)."""

    @abstractmethod
    def scores(self, images: Tensor) -> NounScores:
        """Return the scores of every noun in RGB images in [0, 1], float32 (B, 3, S, S)."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Return `network`, its name, and `training_set`, what it was trained on."""

    def grid(self, activations: Tensor) -> Tensor:
        """Return the output of a layer as maps, float32 (B, C, h, w)."""
        return activations

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every noun, float32 (B, N), in RGB images in [0, 1] (B, 3, S, S)."""
        return self.scores(images).logits

    def probs(self, images: Tensor) -> Tensor:
        """Return the probability of every noun, float32 (B, N), in RGB in [0, 1] (B, 3, S, S)."""
        return self.scores(images).probs


class PooledScorer(NounScorer):
    """A scorer whose logits are a function of the last layer's maps, mostly of their means.

    Its CAMs need no backward pass through the network, only what `pooled_weight` returns.
    """

    @abstractmethod
    def feature_maps(self, images: Tensor) -> Tensor:
        """Return the last layer's maps, float32 (B, C, h, w), of RGB in [0, 1] (B, 3, H, W)."""

    @abstractmethod
    def scores_of(self, features: Tensor) -> NounScores:
        """Return the scores of every noun, of the last layer's maps, float32 (B, C, h, w)."""

    @abstractmethod
    def pooled_weight(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return the sum over cells of d logit / d feature, float32 (B, K, C).

        It is d logit / d (mean over cells of the feature) if the logit depends on nothing else.
        """

    def scores(self, images: Tensor) -> NounScores:
        """Return the scores of every noun in RGB images in [0, 1], float32 (B, 3, H, W)."""
        return self.scores_of(self.feature_maps(images))


def routes_of(noun_classes: Mapping[str, NounClasses]) -> dict[str, Route]:
    """Return by which route each noun was mapped to its classes."""
    return {noun: entry.route for noun, entry in noun_classes.items()}


def in_whole_cells(images: Tensor, stride_px: int) -> Tensor:
    """Return images (B, 3, H, W) enlarged bilinearly to multiples of `stride_px`."""
    height, width = (-(-side // stride_px) * stride_px for side in images.shape[-2:])
    if (height, width) == tuple(images.shape[-2:]):
        return images
    return F.interpolate(images, (height, width), mode="bilinear")
