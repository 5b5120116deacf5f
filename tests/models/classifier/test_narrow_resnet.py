import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from models.classifier.classifier import build_network

IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))


def test_at_width_one_a_resnet_is_torchvisions():
    ours = build_network("resnet18", 1.0, 7).eval()
    theirs = resnet18(num_classes=7).eval()
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(IMAGES), theirs(IMAGES))


@pytest.mark.parametrize(
    ("width", "channels"),
    [(0.25, {16, 32, 64, 128}), (0.3, {16, 40, 80, 152}), (0.02, {8})],
)
def test_a_narrow_resnet_has_stages_of_the_nearest_multiple_of_eight(width, channels):
    network = build_network("resnet10", width, 7).eval()
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert {module.out_channels for module in convolutions[1:]} == channels
    assert network(IMAGES).shape == (2, 7)
