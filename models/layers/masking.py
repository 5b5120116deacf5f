"""Layers whose output does not depend on how much padding an image is given.

An image lies somewhere in a padded square, and the padding must not leak into features. Zeroing it
before every layer whose window is wider than a cell, and leaving it out of statistics, is exact.

Shapes: B images, C channels, (h, w) cells, S input pixels per side, N cells along one axis.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOWED_LAYERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def cells_of(pixel_mask: Tensor, grid: Tensor) -> Tensor:
    """Return which cells hold at least one real pixel, bool (B, h, w).

    Args:
        pixel_mask: True = image, bool (B, S, S).
        grid: a map that has the cells, (B, C, h, w).
    """
    return F.adaptive_max_pool2d(pixel_mask[:, None].float(), grid.shape[-2:])[:, 0] > 0


def valid_span(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last real cell along an axis, i64 (B,) each; all if none is real.

    Args:
        mask: True = real, bool (B, N), N >= 1.
    """
    real = (mask | ~mask.any(1, keepdim=True)).int()
    return real.argmax(1), mask.shape[1] - 1 - real.flip(1).argmax(1)


def content_boxes_xyxy(pixel_mask: Tensor) -> Tensor:
    """Return the box around the real pixels of each image, in pixels, float32 (B, 4).

    Args:
        pixel_mask: True = image, bool (B, S, S).
    """
    left, right = valid_span(pixel_mask.any(1))
    top, bottom = valid_span(pixel_mask.any(2))
    return torch.stack([left, top, right + 1, bottom + 1], dim=-1).float()


class MaskedGroupNorm(nn.GroupNorm):
    """Group norm with the statistics of real cells alone; gcd(32, channels) groups."""

    def __init__(self, channels: int) -> None:
        super().__init__(math.gcd(32, channels), channels)

    def forward(self, maps: Tensor, cell_mask: Tensor) -> Tensor:  # type: ignore[override]
        """Return the normalised maps, float32 (B, C, h, w), 0 on padding.

        Args:
            maps: float (B, C, h, w).
            cell_mask: True = real, bool (B, h, w).
        """
        real = cell_mask[:, None, None]  # (B, 1, 1, h, w)
        groups = maps.float().unflatten(1, (self.num_groups, -1))  # (B, G, C / G, h, w)
        count = real.sum((2, 3, 4), keepdim=True).clamp(min=1) * groups.shape[2]
        mean = (groups * real).sum((2, 3, 4), keepdim=True) / count
        centred = (groups - mean) * real
        variance = centred.square().sum((2, 3, 4), keepdim=True) / count
        normal = (centred * (variance + self.eps).rsqrt()).flatten(1, 2)
        scaled = normal * self.weight[:, None, None] + self.bias[:, None, None]
        return scaled * cell_mask[:, None]


class ConvNorm(nn.Module):
    """A convolution that keeps the grid, then a group norm; padding has no influence."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)
        self.norm = MaskedGroupNorm(out_channels)

    def forward(self, maps: Tensor, cell_mask: Tensor) -> Tensor:
        """Return float (B, out, h, w), zero on padding.

        Args:
            maps: float (B, in, h, w).
            cell_mask: True = real, bool (B, h, w).
        """
        return self.norm(self.conv(maps * cell_mask[:, None]), cell_mask)


class PaddingBlinds(nn.Module):
    """A network with padding zeroed before every layer whose window is wider than a cell.

    Layers that pool over a whole map, such as squeeze-and-excitation, still count the zeros.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._pixel_mask: Tensor | None = None
        self._cell_masks: dict[torch.Size, Tensor] = {}
        for module in network.modules():
            if isinstance(module, WINDOWED_LAYERS) and _reaches(module):
                module.register_forward_pre_hook(self._blind)

    def forward(self, images: Tensor, pixel_mask: Tensor) -> dict[str, Tensor]:
        """Return the network's feature maps by name, (B, C, h, w), zero on padding.

        Args:
            images: normalised, float32 (B, 3, S, S).
            pixel_mask: True = image, bool (B, S, S).
        """
        self._pixel_mask, self._cell_masks = pixel_mask, {}
        maps = self.network(images)
        hidden = {name: self._hidden(features) for name, features in maps.items()}
        self._pixel_mask, self._cell_masks = None, {}
        return hidden

    def _blind(self, _module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        return self._hidden(inputs[0])

    def _hidden(self, maps: Tensor) -> Tensor:
        if self._pixel_mask is None:  # called outside of `forward`, on an image without padding
            return maps
        if maps.shape[-2:] not in self._cell_masks:
            self._cell_masks[maps.shape[-2:]] = cells_of(self._pixel_mask, maps)[:, None]
        return maps * self._cell_masks[maps.shape[-2:]]


def _reaches(layer: nn.Module) -> bool:
    kernel = layer.kernel_size
    return any(side != 1 for side in (kernel if isinstance(kernel, tuple) else (kernel,)))
