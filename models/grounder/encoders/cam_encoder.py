"""The CAM encoder: a noun's raw Grad-CAM -> tokens and a refined attention map.

Shapes: B images, P phrases, K nouns, M real maps, C backbone channels, D channels,
(h, w) cells of the deepest level.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.grounder.config import GrounderConfig
from models.grounder.encoders.visual_encoder import LevelMap
from models.layers.masking import ConvNorm
from models.layers.position_embedding import grid_position_embedding

MAP_RANGE = (0.02, 0.98)  # the map is clipped to it before its logit is taken
MAX_LOGIT_SHIFT = 4.0  # how far the encoder can move a cell's logit away from the map's
HEAD_ROLE = 0
NUM_ROLES = 2  # head noun, context noun


@dataclass(frozen=True)
class CamEncoding:
    """Tokens and attention map of every noun.

    Attributes:
        tokens: float (B, P, K h w, D).
        token_mask: True for image cells of nouns that have a map, bool (B, P, K h w).
        attention_maps: float (B, P, K, h, w), in (0, 1) on image cells and 0 on padding.
        raw_maps: what they started as, float (B, P, K, h, w), likewise.
        map_mask: True for nouns that have a map, bool (B, P, K).
        cell_mask: True = image, bool (B, h, w).
    """

    tokens: Tensor
    token_mask: Tensor
    attention_maps: Tensor
    raw_maps: Tensor
    map_mask: Tensor
    cell_mask: Tensor


class Bottleneck(nn.Module):
    """ResNet-50's residual block (https://arxiv.org/abs/1512.03385) with group norm."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        inner = dim // 4
        self.conv1 = ConvNorm(dim, inner, kernel=1, bias=False)
        self.conv2 = ConvNorm(inner, inner, kernel=3, bias=False)
        self.conv3 = ConvNorm(inner, dim, kernel=1, bias=False)

    def forward(self, maps: Tensor, cell_mask: Tensor) -> Tensor:
        """Return relu(maps + conv3(conv2(conv1(maps)))), float (M, D, h, w).

        Args:
            maps: float (M, D, h, w).
            cell_mask: True = image, bool (M, h, w).
        """
        inner = F.relu(self.conv1(maps, cell_mask))  # (M, D / 4, h, w)
        inner = F.relu(self.conv2(inner, cell_mask))
        return F.relu(maps + self.conv3(inner, cell_mask))


class CamEncoder(nn.Module):
    """Residual blocks over image features and raw map; a bounded residual on the map's logit.

    The residual starts at zero, so the attention map starts as the raw map. Backbone features are
    detached: the losses on CAMs do not train the visual encoder.
    """

    def __init__(self, in_channels: int, config: GrounderConfig) -> None:
        super().__init__()
        dim, self.reads = config.embed_dim, config.cam_input
        if self.reads != "map":
            self.project = ConvNorm(in_channels, dim, kernel=1)
        width = {"map": 1, "feature": dim, "both": 2 * dim + 1}[self.reads]
        self.widen = nn.Conv2d(width, dim, 1)
        self.blocks = nn.ModuleList(Bottleneck(dim) for _ in range(config.cam_blocks))
        self.shift = nn.Conv2d(dim, 1, 1)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)  # type: ignore[arg-type]
        self.role = nn.Embedding(NUM_ROLES, dim)

    def forward(
        self, deepest: LevelMap, cams: Tensor, noun_mask: Tensor, noun_roles: Tensor
    ) -> CamEncoding:
        """Return tokens and attention map of every noun of every phrase.

        Args:
            deepest: the backbone's last level, float (B, C, h, w).
            cams: raw maps scaled to [0, 1], float32 (B, P, K, h, w); other grids are resized.
            noun_mask: True = real, bool (B, P, K). A noun whose map is zero everywhere counts as
                absent.
            noun_roles: 0 head, 1 context, i64 (B, P, K).
        """
        cams = (
            _resized(cams, deepest.features.shape[-2:]).detach() * deepest.cell_mask[:, None, None]
        )
        map_mask = noun_mask & (cams.amax((-2, -1)) > 0)
        features = self._features(deepest, cams, map_mask)  # (M, D, h, w)
        shift = MAX_LOGIT_SHIFT * torch.tanh(self.shift(features))[:, 0]  # (M, h, w)
        shift = _put_back(shift, map_mask)  # (B, P, K, h, w)
        raw = cams.clamp(*MAP_RANGE)
        maps = torch.sigmoid(torch.logit(raw) + shift)  # (B, P, K, h, w)
        cell_mask = deepest.cell_mask
        is_seen = map_mask[..., None, None] & cell_mask[:, None, None]  # (B, P, K, h, w)
        tokens = _put_back(features, map_mask)  # (B, P, K, D, h, w)
        tokens = tokens + grid_position_embedding(cell_mask, features.shape[1])[:, None, None]
        tokens = tokens.flatten(-2).transpose(-2, -1) + self.role(noun_roles)[..., None, :]
        token_mask = map_mask[..., None] & cell_mask.flatten(1)[:, None, None]  # (B, P, K, h w)
        return CamEncoding(
            tokens.flatten(2, 3),
            token_mask.flatten(2),
            maps * is_seen,
            raw * is_seen,
            map_mask,
            cell_mask,
        )

    def _features(self, deepest: LevelMap, cams: Tensor, map_mask: Tensor) -> Tensor:
        """Run the blocks over every real map, float (M, D, h, w)."""
        image_index = map_mask.nonzero()[:, 0]  # (M,)
        features = self.widen(self._inputs(deepest, cams[map_mask][:, None], image_index))
        for block in self.blocks:
            features = block(features, deepest.cell_mask[image_index])
        return features

    def _inputs(self, deepest: LevelMap, maps: Tensor, image_index: Tensor) -> Tensor:
        """Return the input of the blocks for every map (M, 1, h, w), float (M, width, h, w)."""
        if self.reads == "map":
            return maps
        features = self.project(deepest.features.detach(), deepest.cell_mask)  # (B, D, h, w)
        features = features[image_index]  # (M, D, h, w)
        if self.reads == "feature":
            return features
        return torch.cat([features, features * maps, maps], dim=1)


def _put_back(rows: Tensor, map_mask: Tensor) -> Tensor:
    """Scatter the rows of the real maps, (M, ...), to (B, P, K, ...); zeros elsewhere."""
    places = rows.new_zeros(*map_mask.shape, *rows.shape[1:])
    return places.masked_scatter(map_mask.view(*map_mask.shape, *[1] * (rows.ndim - 1)), rows)


def _resized(cams: Tensor, grid_hw: torch.Size) -> Tensor:
    """Resize maps (B, P, K, h, w) to another grid, if it is another."""
    if cams.shape[-2:] == grid_hw:
        return cams
    flat = cams.flatten(0, 2)[:, None]
    sized = F.interpolate(flat, grid_hw, mode="bilinear")
    return sized.view(*cams.shape[:3], *grid_hw)


def no_cams(deepest: LevelMap, phrase_mask: Tensor, dim: int) -> CamEncoding:
    """Return the encoding of a batch without nouns, K = 0.

    Args:
        deepest: the backbone's last level, float (B, C, h, w).
        phrase_mask: True = real, bool (B, P).
        dim: channels D of the tokens.
    """
    batch, phrases = phrase_mask.shape
    features = deepest.features
    no_maps = features.new_zeros(batch, phrases, 0, *features.shape[-2:])
    return CamEncoding(
        tokens=features.new_zeros(batch, phrases, 0, dim),
        token_mask=phrase_mask.new_zeros(batch, phrases, 0),
        attention_maps=no_maps,
        raw_maps=no_maps,
        map_mask=phrase_mask.new_zeros(batch, phrases, 0),
        cell_mask=deepest.cell_mask,
    )
