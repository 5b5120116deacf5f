import numpy as np
import pytest
import torch
from torch import nn

from models.classifier.classifier import trunk_layers
from models.classifier.noun_head import NounHead
from models.grad_cam.classifier_scorer import NounHeadScorer
from models.grad_cam.grad_cam import autograd_cams, closed_form_cams, library_cams
from tests.models.classifier.tiny_classifier import tiny_classifier
from tests.oracles import cam_loops as loops

IMAGES = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(5))
NOUNS = ("cat", "dog", "fox", "house", "man")


def nounhead(arch):
    classifier = tiny_classifier(arch)
    noise = torch.Generator().manual_seed(7)
    weight = torch.randn(len(NOUNS), classifier.class_weight.shape[1], generator=noise)
    return NounHeadScorer(classifier, NounHead(NOUNS, weight, torch.zeros(len(NOUNS))))


def last_layer(scorer):
    return trunk_layers(scorer.network)[-1]


def as_it_is(maps):
    return maps


def test_the_closed_form_is_zhous_map_divided_by_the_cells():
    features = torch.randn(2, 7, 3, 5)
    weight = torch.randn(4, 7)
    zhou = loops.class_activation_map(features[1].numpy(), weight[2].numpy())
    maps = closed_form_cams(features, weight)
    assert maps.shape == (2, 4, 3, 5)
    np.testing.assert_allclose(maps[1, 2].numpy(), zhou / (3 * 5), rtol=1e-4, atol=1e-6)


def test_a_weight_per_image_goes_to_its_image():
    features, weight = torch.randn(2, 7, 3, 5), torch.randn(2, 4, 7)
    maps = closed_form_cams(features, weight)
    expected = [closed_form_cams(features[i : i + 1], weight[i])[0] for i in range(2)]
    torch.testing.assert_close(maps, torch.stack(expected))


def test_no_classes_give_no_maps():
    assert closed_form_cams(torch.randn(2, 7, 3, 5), torch.zeros(0, 7)).shape == (2, 0, 3, 5)
    lower = nn.Conv2d(3, 7, 3, stride=2)
    network, none = nn.Sequential(lower, nn.Flatten()), torch.zeros(2, 0, dtype=torch.int64)
    maps = autograd_cams(network, lower, torch.rand(2, 3, 7, 11), none, as_it_is)
    assert maps.shape == (2, 0, 3, 5)


def test_any_layers_map_is_the_slow_loops():
    torch.manual_seed(2)
    lower, upper = nn.Conv2d(3, 7, 3, stride=2), nn.Conv2d(7, 4, (2, 3))
    network = nn.Sequential(lower, nn.ReLU(inplace=True), upper, nn.Flatten())
    images = torch.rand(2, 3, 7, 11)
    activations = lower(images).detach().requires_grad_()  # (2, 7, 3, 5)
    network[3](upper(activations.relu()))[:, 5].sum().backward()
    maps = autograd_cams(network, lower, images, torch.tensor([[0], [5]]), as_it_is)
    expected = loops.grad_cam(activations[1].detach().numpy(), activations.grad[1].numpy())
    np.testing.assert_allclose(maps[1, 0].numpy(), expected, rtol=1e-4, atol=1e-7)


def test_a_layer_that_puts_out_nothing_has_maps_of_zeros():
    lower = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Threshold(1e9, 0.0))
    network = nn.Sequential(lower, nn.Flatten(), nn.Linear(4 * 5 * 9, 2))
    chosen = torch.tensor([[0, 1], [1, 0]])
    maps = autograd_cams(network, lower, torch.rand(2, 3, 7, 11), chosen, as_it_is)
    assert torch.equal(maps, torch.zeros(2, 2, 5, 9))


@pytest.mark.parametrize("method", [autograd_cams, library_cams])
def test_neither_weights_nor_hooks_are_left_changed(method):
    scorer = nounhead("resnet18")
    layer = scorer.network.layer3
    images = IMAGES.clone().requires_grad_()
    method(scorer, layer, images, torch.tensor([[1], [0]]), as_it_is)
    assert not layer._forward_hooks
    assert all(weight.grad is None for weight in scorer.parameters())
    assert images.grad is None


@pytest.mark.parametrize("method", [autograd_cams, library_cams])
def test_a_wrong_class_is_an_error_and_leaves_no_hook(method):
    scorer = nounhead("resnet18")
    with pytest.raises(IndexError) as caught:
        method(scorer, last_layer(scorer), IMAGES, torch.tensor([[99], [0]]), as_it_is)
    assert not last_layer(scorer)._forward_hooks
    assert caught.tb is not None  # whose frames keep alive what would take its hooks with it


def test_both_ways_lay_maps_out_by_the_function_that_is_given():
    scorer, chosen = nounhead("resnet18"), torch.tensor([[1], [0]])
    layer = scorer.network.layer3
    expected = autograd_cams(scorer, layer, IMAGES, chosen, as_it_is).transpose(-2, -1)
    peak = expected.abs().max()
    assert expected.shape == (2, 1, 10, 6)
    for method in (autograd_cams, library_cams):
        with torch.no_grad():
            found = method(scorer, layer, IMAGES, chosen, lambda maps: maps.transpose(-2, -1))
        torch.testing.assert_close(found / peak, expected / peak, rtol=0, atol=1e-5)


class Twice(nn.Sequential):
    def forward(self, images):
        return super().forward(super().forward(images)).mean((-2, -1))


class Pair(nn.Module):
    def forward(self, images):
        return images, images


class OfPair(nn.Sequential):
    def forward(self, images):
        return super().forward(images)[0].mean((-2, -1))


@pytest.mark.parametrize("network", [Twice(nn.Conv2d(3, 3, 1)), OfPair(Pair())])
def test_a_layer_without_one_output_is_refused(network):
    with pytest.raises(ValueError, match="layer"):
        autograd_cams(network, network[0], IMAGES, torch.tensor([[0], [1]]), as_it_is)
    assert not network[0]._forward_hooks
