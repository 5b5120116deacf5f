"""Sine position embeddings for grids and sequences.

Shapes: B images, D channels, (h, w) cells of a feature map, T tokens.
"""

import math

import torch
from torch import Tensor

TEMPERATURE = 10_000.0  # Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.5


def grid_position_embedding(cell_mask: Tensor, dim: int) -> Tensor:
    """Return the position embedding of every cell, measured over the real part of its image.

    The centre of cell i of n real ones lies at 2 pi (i + 0.5) / n, so that an image keeps its
    embedding whatever it is padded to (DETR, https://arxiv.org/abs/2005.12872, appendix A.4).

    Args:
        cell_mask: True where a cell holds image, bool (B, h, w).
        dim: channels D, a multiple of 4; the first half embeds y, the second x.

    Returns:
        float32 (B, D, h, w), in [-1, 1].

    Raises:
        ValueError: `dim` is no multiple of 4.
    """
    if dim % 4:
        raise ValueError(f"a grid embedding needs a multiple of 4 channels, got {dim}")
    places = [_angles(cell_mask, axis) for axis in (1, 2)]  # y, x, each (B, h, w)
    halves = [_sines(place, dim // 2) for place in places]
    return torch.cat(halves, dim=-1).permute(0, 3, 1, 2)  # (B, D, h, w)


def sequence_position_embedding(length: int, dim: int, device: torch.device) -> Tensor:
    """Return the embedding of positions 0 to T - 1, float32 (T, D); D must be even."""
    return _sines(torch.arange(length, device=device), dim)


def _angles(cell_mask: Tensor, axis: int) -> Tensor:
    """Return the centre of every cell along `axis`, scaled to 2 pi over the real cells."""
    counts = cell_mask.cumsum(axis)
    totals = cell_mask.sum(axis, keepdim=True).clamp(min=1)
    return (counts - 0.5) / totals * (2 * math.pi)  # (B, h, w)


def _sines(places: Tensor, dim: int) -> Tensor:
    """Return sin and cos, interleaved, of `places` at dim / 2 frequencies, (..., dim)."""
    exponents = torch.arange(0, dim, 2, device=places.device) / dim
    angles = places[..., None] / TEMPERATURE**exponents  # (..., dim / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
