"""ResNets of basic blocks with fewer channels than torchvision's, for training on a CPU."""

from typing import Any

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

_LAST_CHANNELS = 512


class NarrowResNet(ResNet):
    """torchvision's ResNet, with its parameter names, and fewer channels behind the stem.

    Args:
        blocks: basic blocks of each of the four stages; (2, 2, 2, 2) is ResNet-18.
        width: multiplier of the stages' 64, 128, 256 and 512 channels.
        num_classes: outputs.
    """

    def __init__(self, blocks: tuple[int, int, int, int], width: float, num_classes: int) -> None:
        self.width = width
        super().__init__(BasicBlock, list(blocks), num_classes)
        self.fc = nn.Linear(self._scaled(_LAST_CHANNELS), num_classes)

    def _make_layer(self, block: Any, planes: int, blocks: int, *options: Any, **more: Any) -> Any:
        return super()._make_layer(block, self._scaled(planes), blocks, *options, **more)

    def _scaled(self, channels: int) -> int:
        return max(8, round(channels * self.width / 8) * 8)
