"""Frozen encoders that encode nothing twice.

Of equal inputs they return the very tensors that the encoders returned: what is remembered was
computed from as many images at once, and from phrases padded to the same length, for the last bits
depend on these.

Shapes: B images, S input pixels per side, N phrases, T word pieces, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from typing_extensions import override

from models.grounder.encoders.language_encoder import LanguageEncoder
from models.grounder.grounder import Grounder
from models.layers.backbone import Backbone

LevelMaps = dict[int, Tensor]  # level -> (C, h, w) of one image
_LANES = 2  # 64-bit sums that a picture is told by


@dataclass
class FrozenMemory:
    """What frozen encoders have said so far; nothing is forgotten, beyond the limit nothing added.

    Attributes:
        limit_bytes: of all tensors together.
        used_bytes: of those that are kept.
        images: the backbone's maps of a picture.
        phrases: the text encoder's states of a phrase, float (T, C).
    """

    limit_bytes: int
    used_bytes: int = 0
    images: dict[tuple[int, ...], LevelMaps] = field(default_factory=dict)
    phrases: dict[tuple[int, bytes], Tensor] = field(default_factory=dict)

    def has_room(self, *tensors: Tensor) -> bool:
        """Return whether tensors may be added; if so, they are counted."""
        size = sum(tensor.nbytes for tensor in tensors)
        if self.used_bytes + size > self.limit_bytes:
            return False
        self.used_bytes += size
        return True


class RememberedBackbone(Backbone):
    """A frozen backbone that keeps the maps of every picture it has seen.

    A batch with a picture that is not known is encoded as a whole.
    """

    def __init__(self, backbone: Backbone, memory: FrozenMemory) -> None:
        """Keep the maps in `memory`, which other backbones of the same weights may share."""
        nn.Module.__init__(self)
        self.extract, self.channels = backbone.extract, backbone.channels
        self._memory = memory
        self._weights: Tensor | None = None

    @override
    @torch.compiler.disable
    @torch.no_grad()
    def forward(self, images: Tensor, pixel_mask: Tensor) -> LevelMaps:
        """See `Backbone.forward`."""
        memory, keys = self._memory, self._keys(images, pixel_mask)
        if all(key in memory.images for key in keys):
            known = [memory.images[key] for key in keys]
            return {level: torch.stack([maps[level] for maps in known]) for level in known[0]}
        computed = super().forward(images, pixel_mask)
        for row, key in enumerate(keys):
            maps = {level: features[row] for level, features in computed.items()}
            if key not in memory.images and memory.has_room(*maps.values()):
                memory.images[key] = {level: one.clone() for level, one in maps.items()}
        return computed

    def _keys(self, images: Tensor, pixel_mask: Tensor) -> list[tuple[int, ...]]:
        """Return what tells pictures in batches apart: B, and random sums of their bits, mod 2^64.

        Two sums of different pictures are equal with a chance of 2^-41 at most, for float32 numbers
        that differ in their exponents alone; most differ in lower bits, too.
        """
        words = images.float().flatten(1).view(torch.int32).long()  # (B, 3 S S)
        words = torch.cat([words, pixel_mask.flatten(1).long()], dim=1)  # (B, 4 S S)
        if self._weights is None or self._weights.shape[1] != words.shape[1]:
            draw = torch.Generator().manual_seed(0)
            drawn = torch.randint(2**63 - 1, (_LANES, words.shape[1]), generator=draw)
            self._weights = drawn.to(words.device)
        sums = torch.stack([(words * lane).sum(1) for lane in self._weights], dim=1)  # (B, lanes)
        return [(len(images), *row) for row in sums.tolist()]


class RememberedLanguage(LanguageEncoder):
    """A frozen text encoder that keeps the states of every phrase it has read."""

    def __init__(self, encoder: LanguageEncoder, memory: FrozenMemory) -> None:
        """Keep the states in `memory`, which other encoders of the same weights may share."""
        super().__init__(encoder.bert)
        self._memory = memory

    @override
    @torch.no_grad()
    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """See `LanguageEncoder.forward`."""
        known = self._memory.phrases
        length = token_ids.shape[1]
        rows = zip(token_ids.cpu().numpy(), token_mask.cpu().numpy(), strict=True)
        keys = [(length, ids[mask].tobytes()) for ids, mask in rows]
        fresh = {key: row for row, key in enumerate(keys) if key not in known}
        if not fresh:
            return torch.stack([known[key] for key in keys])  # (N, T, C)
        at = [*fresh.values()]
        computed = super().forward(token_ids[at], token_mask[at])
        states = dict(zip(fresh, computed, strict=True))
        for key, state in states.items():
            if self._memory.has_room(state):
                known[key] = state.clone()
        return torch.stack([states[key] if key in states else known[key] for key in keys])


def remember_frozen(
    grounder: Grounder, memory: FrozenMemory, pictures_change: bool
) -> Mapping[str, nn.Module]:
    """Make the frozen encoders of a grounder remember, and return them by name.

    Args:
        grounder: whose encoders are replaced; its parameters stay where they are.
        memory: empty, or of a grounder with the same frozen weights.
        pictures_change: whether a picture is drawn anew each time, so that none comes again.
    """
    remembered: dict[str, nn.Module] = {}
    visual, language = grounder.visual_encoder, grounder.language_encoder
    if not pictures_change and _is_frozen(visual.backbone):
        visual.backbone = remembered["backbone"] = RememberedBackbone(visual.backbone, memory)
    if _is_frozen(language):
        grounder.language_encoder = remembered["language"] = RememberedLanguage(language, memory)
    grounder.train(grounder.training)
    return remembered


def _is_frozen(encoder: nn.Module) -> bool:
    return not any(parameter.requires_grad for parameter in encoder.parameters())
