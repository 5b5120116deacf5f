"""Transformer encoder layers, and the same layers within windows of a grid.

Shapes: N sequences, L tokens, Q rows that are computed, D channels, B images, P phrases of an
image, V tokens that its phrases share, H heads, (h, w) cells.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class LayerSizes:
    """Sizes of an encoder layer: channels D, heads, width of its feed-forward part."""

    dim: int
    heads: int
    ffn_dim: int
    dropout: float


@dataclass(frozen=True)
class TokenSet:
    """Tokens, float (B, P, L, D), and which are real, bool (B, P, L)."""

    tokens: Tensor
    mask: Tensor


class MultiHeadAttention(nn.Module):
    """Multi-head attention (https://arxiv.org/abs/1706.03762) with a key mask, True = real."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, rows: Tensor, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """Compute the attention of `rows` over `tokens`.

        Args:
            rows: queries, float (N, Q, D).
            tokens: keys and values, float (N, L, D).
            token_mask: True = real, bool (N, L); in a sequence without a real token all count.

        Returns:
            float (N, Q, D).
        """
        key, value = self.key_value(tokens).chunk(2, dim=-1)
        readable = token_mask | ~token_mask.any(1, keepdim=True)  # (N, L)
        mixed = F.scaled_dot_product_attention(
            self._split(self.query(rows)),
            self._split(key),
            self._split(value),
            attn_mask=readable[:, None, None],
            dropout_p=self.dropout if self.training else 0.0,
        )  # (N, heads, Q, D / heads)
        return self.out(mixed.transpose(1, 2).flatten(-2))

    def read_shared(self, rows: Tensor, shared: TokenSet, own: TokenSet) -> Tensor:
        """Compute the attention of one row per phrase over its image's tokens and its own.

        The image's tokens are not copied for each phrase.

        Args:
            rows: one query per phrase, float (B, P, D).
            shared: keys and values of all phrases of an image, (B, 1, V, D).
            own: keys and values of one phrase, (B, P, L, D), at least one of them real.

        Returns:
            float (B, P, D), equal to `forward` on the concatenated tokens.
        """
        query = self._by_head(self.query(rows))  # (B, P, H, D / H)
        shared_key, shared_value = map(
            self._by_head, self.key_value(shared.tokens[:, 0]).chunk(2, -1)
        )
        own_key, own_value = map(self._by_head, self.key_value(own.tokens).chunk(2, -1))
        logits = [
            torch.einsum("bphd,bvhd->bphv", query, shared_key),
            torch.einsum("bphd,bplhd->bphl", query, own_key),
        ]
        scaled = torch.cat(logits, dim=-1) / math.sqrt(query.shape[-1])  # (B, P, H, V + L)
        mask = torch.cat([shared.mask.expand(*own.mask.shape[:2], -1), own.mask], dim=-1)
        weights = scaled.masked_fill(~mask[:, :, None], torch.finfo(scaled.dtype).min).softmax(-1)
        weights = F.dropout(weights, self.dropout, self.training)
        of_shared, of_own = weights.split([part.shape[-1] for part in logits], dim=-1)
        mixed = torch.einsum("bphv,bvhd->bphd", of_shared, shared_value)
        mixed = mixed + torch.einsum("bphl,bplhd->bphd", of_own, own_value)
        return self.out(mixed.flatten(-2))

    def _by_head(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1))  # (..., H, D / H)

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, heads, L, D / heads)


class EncoderLayer(nn.Module):
    """Post-norm encoder layer with ReLU, as in DETR and TransVG."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(sizes.dim, sizes.heads, sizes.dropout)
        self.ffn = nn.Sequential(
            nn.Linear(sizes.dim, sizes.ffn_dim),
            nn.ReLU(),
            nn.Dropout(sizes.dropout),
            nn.Linear(sizes.ffn_dim, sizes.dim),
        )
        self.norm_attention = nn.LayerNorm(sizes.dim)
        self.norm_ffn = nn.LayerNorm(sizes.dim)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, tokens: Tensor, token_mask: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return the state of `rows` (default: all tokens) after attention over `tokens`.

        Args:
            tokens: float (N, L, D).
            token_mask: True = real, bool (N, L).
            rows: the tokens to update, float (N, Q, D). Leaving the others out is exact and saves
                their queries and feed-forward part.
        """
        rows = tokens if rows is None else rows
        return self._finish(rows, self.attention(rows, tokens, token_mask))

    def read_shared(self, rows: Tensor, shared: TokenSet, own: TokenSet) -> Tensor:
        """Return the updated state of one row per phrase, float (B, P, D).

        Arguments as in `MultiHeadAttention.read_shared`.
        """
        return self._finish(rows, self.attention.read_shared(rows, shared, own))

    def _finish(self, rows: Tensor, attended: Tensor) -> Tensor:
        """Add the attention's output, then apply the feed-forward part; same shape (..., D)."""
        rows = self.norm_attention(rows + self.dropout(attended))
        return self.norm_ffn(rows + self.dropout(self.ffn(rows)))


class GridEncoder(nn.Module):
    """Encoder layers over the cells of a feature map.

    With `window` > 0 a cell attends only to the cells of its window of `window` x `window` cells.
    Windows start at the top left, so that padding at the right and bottom changes nothing.
    """

    def __init__(self, sizes: LayerSizes, num_layers: int, window: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(num_layers))
        self.window = window

    def forward(self, features: Tensor, cell_mask: Tensor) -> Tensor:
        """Return the encoded cells, float (B, D, h, w).

        Args:
            features: float (B, D, h, w).
            cell_mask: True = real, bool (B, h, w).
        """
        grid_hw = features.shape[-2:]
        window_hw = _window_hw(grid_hw, self.window)
        tokens = _to_windows(features, window_hw).flatten(2).transpose(1, 2)  # (N, L, D)
        mask = _to_windows(cell_mask[:, None], window_hw).flatten(1)  # (N, L)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return _from_windows(tokens.transpose(1, 2), grid_hw, window_hw)


def _window_hw(grid_hw: torch.Size, window: int) -> tuple[int, int]:
    """Return the sides of a window of `window` cells, within the grid; 0 means no limit."""
    longest = window or max(grid_hw)
    return min(longest, grid_hw[0]), min(longest, grid_hw[1])


def _to_windows(grid: Tensor, window_hw: tuple[int, int]) -> Tensor:
    """Cut (B, C, h, w) into equal windows (B * windows, C, wh, ww), padding the far sides."""
    tall, wide = window_hw
    height, width = grid.shape[-2:]
    grid = F.pad(grid, (0, -width % wide, 0, -height % tall))
    cut = grid.unflatten(-1, (-1, wide)).unflatten(-3, (-1, tall))  # (B, C, rows, wh, cols, ww)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def _from_windows(tokens: Tensor, grid_hw: torch.Size, window_hw: tuple[int, int]) -> Tensor:
    """Put windows (B * windows, D, wh * ww) back together as (B, D, h, w)."""
    rows, columns = (math.ceil(side / own) for side, own in zip(grid_hw, window_hw, strict=True))
    cut = tokens.unflatten(-1, (-1, window_hw[1])).unflatten(0, (-1, rows, columns))
    grid = cut.permute(0, 3, 1, 4, 2, 5).flatten(-2).flatten(-3, -2)
    return grid[..., : grid_hw[0], : grid_hw[1]]
