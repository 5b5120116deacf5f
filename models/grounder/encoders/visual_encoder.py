"""The visual encoder: an image -> one encoded feature map per backbone level.

Shapes: B images, S input pixels per side, D channels, C backbone channels, (h, w) cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from models.grounder.config import GrounderConfig, parse_depth, parse_levels
from models.layers.attention import GridEncoder, LayerSizes
from models.layers.backbone import Backbone
from models.layers.masking import ConvNorm, cells_of
from models.layers.position_embedding import grid_position_embedding

WINDOWED_LEVEL = 3  # the only level whose attention is cut into windows


@dataclass(frozen=True)
class LevelMap:
    """Features of one level, float (B, D, h, w), and which cells hold image, bool (B, h, w)."""

    features: Tensor
    cell_mask: Tensor


@dataclass(frozen=True)
class VisualFeatures:
    """Feature maps of B images.

    Attributes:
        levels: the encoded levels, shallow to deep.
        raw: the backbone's own maps of the same levels, float (B, C, h, w) each.
        deepest: the backbone's own last map, float (B, C, h, w), with its cell mask.
    """

    levels: tuple[LevelMap, ...]
    raw: tuple[LevelMap, ...]
    deepest: LevelMap


class LevelEncoder(nn.Module):
    """Projection, position embedding, self-attention, two convolutions (paper, section 3.1)."""

    def __init__(self, in_channels: int, sizes: LayerSizes, num_layers: int, window: int) -> None:
        super().__init__()
        dim = sizes.dim
        self.project = ConvNorm(in_channels, dim, kernel=1)
        self.encoder = GridEncoder(sizes, num_layers, window)
        self.refine = ConvNorm(dim, dim, kernel=3)
        self.last = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, features: Tensor, cell_mask: Tensor) -> LevelMap:
        """Return the encoded level, float (B, D, h, w), 0 on padding.

        Args:
            features: of the backbone, float (B, C, h, w).
            cell_mask: True = image, bool (B, h, w).
        """
        real = cell_mask[:, None]
        projected = self.project(features, cell_mask)  # (B, D, h, w), F^(0)
        placed = projected + grid_position_embedding(cell_mask, projected.shape[1])  # F^(1)
        attended = self.encoder(placed, cell_mask)  # F^(2)
        refined = F.gelu(self.refine(placed + attended, cell_mask))  # 0 on padding, as gelu(0) is
        return LevelMap(self.last(refined) * real, cell_mask)  # F^(3)


class VisualEncoder(nn.Module):
    """A backbone and one encoder per level of `config.levels`, each with weights of its own.

    Args:
        backbone: computes the feature maps of the levels.
        config: of the grounder; `visual_window` is the side in cells of the attention windows of
            level 3, 0: attention over all cells.
    """

    def __init__(self, backbone: Backbone, config: GrounderConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.levels = parse_levels(config.levels)
        sizes = LayerSizes(config.embed_dim, config.heads, config.ffn_dim, config.dropout)
        num_layers, _ = parse_depth(config.depth)
        windows = {WINDOWED_LEVEL: config.visual_window}
        encoders = {
            str(level): LevelEncoder(
                backbone.channels[level], sizes, num_layers, windows.get(level, 0)
            )
            for level in self.levels
        }
        self.encoders = nn.ModuleDict(encoders)

    def forward(self, images: Tensor, pixel_mask: Tensor) -> VisualFeatures:
        """Return the feature maps of images.

        Args:
            images: normalised, float32 (B, 3, S, S); what they hold under padding is ignored.
            pixel_mask: True = image, bool (B, S, S).
        """
        raw: Mapping[int, Tensor] = self.backbone(images, pixel_mask)
        masks = {level: cells_of(pixel_mask, features) for level, features in raw.items()}
        encoded = [self.encoders[str(level)](raw[level], masks[level]) for level in self.levels]
        own = tuple(LevelMap(raw[level], masks[level]) for level in self.levels)
        return VisualFeatures(tuple(encoded), own, LevelMap(raw[5], masks[5]))
