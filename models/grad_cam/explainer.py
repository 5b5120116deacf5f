"""Grad-CAM of a scorer's nouns, each image its own nouns, the cheapest way that is exact.

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
    """There is no such layer to explain; the message names it."""


@dataclass(frozen=True)
class NounCams:
    """What a batch yields.

    Attributes:
        maps: of each image, in the order of its nouns, signed, float32 (K, h, w) each.
        probs: of every noun, float32 (B, N).
    """

    maps: list[Tensor]
    probs: Tensor


@dataclass(frozen=True)
class NounExplainer:
    """Explains a scorer at one of its layers.

    Attributes:
        scorer: whose logits are explained.
        layer: name of a module of `scorer.network`; empty: the scorer's own choice.
        backend: `auto`: a closed form where there is one, else `autograd`; `library`:
            pytorch-grad-cam, which costs a whole pass per noun, to compare with.
    """

    scorer: NounScorer
    layer: str
    backend: Backend

    @torch.no_grad()
    def explain(self, images: Tensor, wanted: Sequence[Sequence[int]]) -> NounCams:
        """Return the maps of a batch.

        Args:
            images: RGB in [0, 1], float32 (B, 3, S, S).
            wanted: the nouns of each image, B sequences of indices below N.

        Raises:
            LayerError: the scorer has no such layer, or it is not called once in a pass.
        """
        is_default = self.layer in ("", self.scorer.default_layer)
        if self.backend == "auto" and is_default and isinstance(self.scorer, PooledScorer):
            return _closed_form(self.scorer, images, wanted)
        return self._by_gradient(images, wanted)

    def _by_gradient(self, images: Tensor, wanted: Sequence[Sequence[int]]) -> NounCams:
        most = max(map(len, wanted), default=0)
        filled = [[*indices, *[0] * (most - len(indices))] for indices in wanted]
        chosen = torch.tensor(filled, dtype=torch.long, device=images.device).view(
            len(wanted), most
        )
        seen: list[Tensor] = []

        def score(pixels: Tensor) -> Tensor:
            scores = self.scorer.scores(pixels)
            seen.append(scores.probs.detach())
            return scores.logits

        layer, to_grid = self._module(), self.scorer.grid
        try:
            if self.backend == "library" and most:
                maps = library_cams(self.scorer, layer, images, chosen, to_grid)
                seen.append(self.scorer.probs(images))
            else:
                maps = autograd_cams(score, layer, images, chosen, to_grid)  # (B, K, h, w)
        except ValueError as error:
            raise LayerError(f"cams.layer {self._name!r}: {error}") from error
        return NounCams([own[: len(ix)] for own, ix in zip(maps, wanted, strict=True)], seen[0])

    @property
    def _name(self) -> str:
        return self.layer or self.scorer.default_layer

    def _module(self) -> nn.Module:
        try:
            return self.scorer.network.get_submodule(self._name)
        except AttributeError as error:
            raise LayerError(f"cams.layer {self._name!r}: {error}") from error


def _closed_form(scorer: PooledScorer, images: Tensor, wanted: Sequence[Sequence[int]]) -> NounCams:
    features = scorer.feature_maps(images)  # (B, C, h, w)
    maps = []
    for image, indices in enumerate(wanted):
        own = features[image : image + 1]  # (1, C, h, w)
        maps.append(closed_form_cams(own, scorer.pooled_weight(own, indices))[0])  # (K, h, w)
    return NounCams(maps, scorer.scores_of(features).probs)
