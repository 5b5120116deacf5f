import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.ops import FrozenBatchNorm2d

from models.layers.backbone import Backbone
from models.layers.folded_norm import fold_batch_norms


class Net(nn.Module):
    """Two folded pairs; one convolution that is read twice, and a norm of an image."""

    def __init__(self, norm):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 7, 2, bias=False)
        self.twice = nn.Conv2d(7, 7, 1)
        self.norms = nn.ModuleList(map(norm, (3, 5, 7, 7)))

    def forward(self, images):
        maps = self.norms[1](self.first(self.norms[0](images))).relu()
        maps = self.twice(self.norms[2](self.second(maps)))
        return maps + self.norms[3](maps)


def stirred(network):
    """Return a network whose batch norms do something, in evaluation mode."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            for name in ("weight", "running_var"):
                getattr(module, name).data.uniform_(0.5, 2)
            for name in ("bias", "running_mean"):
                getattr(module, name).data.normal_()
    return network.eval()


def outputs_and_gradients(network, images):
    images = images.clone().requires_grad_()
    output = network(images)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    grads = {name: weight.grad for name, weight in network.named_parameters()}
    return output.detach(), images.grad, grads


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_folded_norms_change_no_output_and_no_gradient_but_for_rounding(norm):
    network = stirred(Net(norm)).double()
    images = torch.rand(2, 3, 11, 7).double()
    expected = outputs_and_gradients(network, images)
    network.zero_grad()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert fold_batch_norms(network) == 2
    maps = torch.rand(1, 7, 3, 5).double()
    assert [network.norms[place](maps) is maps for place in (2, 3)] == [True, False]
    found = outputs_and_gradients(network, images)
    torch.testing.assert_close(found, expected)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)),
        (nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)),
        (nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)),
        (nn.ConvTranspose2d(3, 4, 1), nn.BatchNorm2d(4)),
    ],
)
def test_only_a_batch_norm_right_behind_a_convolution_is_folded(layers):
    network, images = nn.Sequential(*layers).eval(), torch.rand(1, 3, 7, 5)
    expected = network(images)
    assert fold_batch_norms(network) == 0
    assert torch.equal(network(images), expected)


def test_folded_norms_follow_weights_that_are_trained():
    network = stirred(Net(FrozenBatchNorm2d))
    fold_batch_norms(network)
    images = torch.rand(1, 3, 11, 7)
    before = network(images)
    with torch.no_grad():
        network.first.weight.mul_(2)
    assert not torch.allclose(network(images), before)


def test_every_norm_of_a_backbone_is_folded_and_padding_still_has_no_influence():
    backbone = Backbone(stirred(models.get_model("resnet18")), (4, 5)).eval()
    images, mask = torch.rand(2, 3, 96, 96), torch.ones(2, 96, 96, dtype=torch.bool)
    mask[1, :, 50:] = False
    expected = backbone(images, mask)
    assert fold_batch_norms(backbone.extract.network) == 20
    found = backbone(images * mask[:, None], mask)
    for level, maps in expected.items():
        torch.testing.assert_close(found[level], maps, rtol=1e-4, atol=1e-4)


class Keyword(nn.Module):
    """Hands its norm the maps by name."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)

    def forward(self, images):
        return self.norm(input=self.conv(images))


def test_a_norm_that_is_called_by_keyword_is_left():
    assert fold_batch_norms(Keyword()) == 0


class Branching(nn.Module):
    """Cannot be traced."""

    def __init__(self, asks=lambda maps: maps.sum() > 0):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)
        self.asks = asks

    def forward(self, images):
        maps = self.conv(images)
        return self.norm(maps) if self.asks(maps) else maps


@pytest.mark.parametrize(
    "asks",
    [
        lambda maps: maps.sum() > 0,  # a TraceError
        lambda maps: range(maps.shape[0]),  # a TypeError
        len,  # a RuntimeError
        lambda _maps: int(""),  # a ValueError, as of a network's own check
    ],
)
def test_a_network_that_cannot_be_traced_stays_as_it_is(asks):
    network = Branching(asks)
    assert fold_batch_norms(network) == 0


def test_a_graph_is_taken_as_it_was_traced():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), Branching())
    assert fold_batch_norms(network) == 0
    whole = {"tracer_kwargs": {"leaf_modules": [Branching]}}
    graph = create_feature_extractor(network.eval(), ["2"], **whole)
    assert fold_batch_norms(graph) == 1
