"""Frozen encoders that encode nothing twice, for many trainings on the same images and phrases.

Shapes: B images, S input pixels per side, N phrases, T word pieces, C channels.
"""

from hashlib import blake2b

import torch
from torch import Tensor, nn
from typing_extensions import override

from models.grounder.language_encoder import LanguageEncoder
from models.layers.backbone import Backbone

LevelMaps = dict[int, Tensor]  # level -> (C, h, w) of one image


class RememberedBackbone(Backbone):
    """A frozen backbone that keeps the maps of every image it has seen, told by its bytes."""

    def __init__(self, backbone: Backbone, known: dict[bytes, LevelMaps]) -> None:
        """Keep the maps in `known`, which other backbones of the same weights may share."""
        nn.Module.__init__(self)
        self.extract, self.channels = backbone.extract, backbone.channels
        self._known = known

    @override
    @torch.no_grad()
    def forward(self, images: Tensor, pixel_mask: Tensor) -> LevelMaps:
        """See `Backbone.forward`."""
        keys = [_key(image, mask) for image, mask in zip(images, pixel_mask, strict=True)]
        fresh = [index for index, key in enumerate(keys) if key not in self._known]
        if fresh:
            computed = super().forward(images[fresh], pixel_mask[fresh])
            for row, index in enumerate(fresh):
                self._known[keys[index]] = {level: maps[row] for level, maps in computed.items()}
        found = [self._known[key] for key in keys]
        return {level: torch.stack([maps[level] for maps in found]) for level in found[0]}


class RememberedLanguage(LanguageEncoder):
    """A frozen text encoder that keeps the states of every phrase it has read."""

    def __init__(self, encoder: LanguageEncoder, known: dict[bytes, Tensor]) -> None:
        """Keep the states in `known`, which other encoders of the same weights may share."""
        super().__init__(encoder.bert)
        self._known = known

    @override
    @torch.no_grad()
    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """See `LanguageEncoder.forward`; padding gets zeros."""
        self.bert.eval()
        keys = [_key(ids[mask]) for ids, mask in zip(token_ids, token_mask, strict=True)]
        fresh = [index for index, key in enumerate(keys) if key not in self._known]
        if fresh:
            states = super().forward(token_ids[fresh], token_mask[fresh])
            for row, index in zip(states, fresh, strict=True):
                self._known[keys[index]] = row[token_mask[index]].clone()  # (real tokens, C)
        encoded = token_ids.new_zeros(*token_ids.shape, self.channels, dtype=torch.float32)
        for row, mask, key in zip(encoded, token_mask, keys, strict=True):
            row[mask] = self._known[key]
        return encoded  # (N, T, C)


def _key(*tensors: Tensor) -> bytes:
    digest = blake2b(digest_size=16)
    for tensor in tensors:
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.digest()
