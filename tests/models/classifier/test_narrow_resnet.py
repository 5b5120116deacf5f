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


def test_a_narrow_resnet_has_narrow_stages():
    convolutions = [
        module
        for module in build_network("resnet10", 0.25, 7).modules()
        if isinstance(module, nn.Conv2d)
    ]
    assert {module.out_channels for module in convolutions[1:]} == {16, 32, 64, 128}
