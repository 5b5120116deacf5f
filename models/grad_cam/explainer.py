"""Grad-CAM of nouns, other ones for each image, by the cheapest way that is exact.

Shapes: B images, S pixels per side, K of N nouns, (h, w) cells of the layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.grad_cam.grad_cam import autograd_cams, closed_form_cams, library_cams
from models.grad_cam.scorer import NounScorer, PooledScorer

Backend = Literal["auto", "autograd", "library"]


class LayerError(ValueError):
    """A layer that cannot be explained; the message names it."""


@dataclass(frozen=True)
class NounCams:
    """Grad-CAM maps and probabilities of a batch of images.

    Attributes:
        maps: signed maps of each image's nouns, in their order, B of float32 (K, h, w).
        probs: probability of every noun of the scorer, in [0, 1], float32 (B, N).
    """

    maps: list[Tensor]
    probs: Tensor


@dataclass(frozen=True)
class NounExplainer:
    """Computes Grad-CAM of a scorer's logits at one layer of its network.

    Attributes:
        scorer: its logits are explained.
        layer: name of a module of `scorer.network`; empty: `scorer.default_layer`.
        backend: `auto`: a closed form where there is one, else `autograd`; `library`:
            pytorch-grad-cam, which needs a whole pass per noun; for comparison.
    """

    scorer: NounScorer
    layer: str
    backend: Backend

    @torch.no_grad()
    def explain(self, images: Tensor, noun_indices: Sequence[Sequence[int]]) -> NounCams:
        """Return the maps and probabilities of a batch.

        Args:
            images: RGB in [0, 1], float32 (B, 3, S, S).
            noun_indices: the nouns of each image, B sequences of indices below N.

        Raises:
            LayerError: the scorer has no such layer, or it is not called once in a pass.
        """
        is_default = self.layer in ("", self.scorer.default_layer)
        if self.backend == "auto" and is_default and isinstance(self.scorer, PooledScorer):
            return _closed_form(self.scorer, images, noun_indices)
        return self._by_gradient(images, noun_indices)

    def _by_gradient(self, images: Tensor, noun_indices: Sequence[Sequence[int]]) -> NounCams:
        max_nouns = max(map(len, noun_indices), default=0)
        padded = [[*indices, *[0] * (max_nouns - len(indices))] for indices in noun_indices]
        score_indices = torch.tensor(padded, dtype=torch.long, device=images.device).view(
            len(noun_indices), max_nouns
        )
        probs: list[Tensor] = []

        def score(pixels: Tensor) -> Tensor:
            scores = self.scorer.scores(pixels)
            probs.append(scores.probs.detach())
            return scores.logits

        layer, to_grid = self._module(), self.scorer.grid
        try:
            if self.backend == "library" and max_nouns:
                maps = library_cams(self.scorer, layer, images, score_indices, to_grid)
                probs.append(self.scorer.probs(images))
            else:
                maps = autograd_cams(score, layer, images, score_indices, to_grid)  # (B, K, h, w)
        except ValueError as error:
            raise LayerError(f"cams.layer {self._name!r}: {error}") from error
        return NounCams(
            [own[: len(indices)] for own, indices in zip(maps, noun_indices, strict=True)], probs[0]
        )

    @property
    def _name(self) -> str:
        return self.layer or self.scorer.default_layer

    def _module(self) -> nn.Module:
        try:
            return self.scorer.network.get_submodule(self._name)
        except AttributeError as error:
            raise LayerError(f"cams.layer {self._name!r}: {error}") from error


def _closed_form(
    scorer: PooledScorer, images: Tensor, noun_indices: Sequence[Sequence[int]]
) -> NounCams:
    features = scorer.feature_maps(images)  # (B, C, h, w)
    maps = []
    for image, indices in enumerate(noun_indices):
        own = features[image : image + 1]  # (1, C, h, w)
        maps.append(closed_form_cams(own, scorer.pooled_weight(own, indices))[0])  # (K, h, w)
    return NounCams(maps, scorer.scores_of(features).probs)
