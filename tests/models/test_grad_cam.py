import numpy as np
import pytest
import torch
from torch import nn

from models.cam_classifier import ClassGroupScorer, NounHeadScorer
from models.classifier import trunk_layers
from models.grad_cam import autograd_cams, closed_form_cams, library_cams
from models.noun_head import NounHead
from tests.models.tiny_classifier import tiny_classifier
from tests.oracles import cam_loops as loops

ARCHS = ["mobilenet_v2", "resnet18", "squeezenet1_1"]
IMAGES = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(5))
NOUNS = ("cat", "dog", "fox", "house", "man")
INDICES = [3, 0, 4]


def nounhead(arch):
    classifier = tiny_classifier(arch)
    noise = torch.Generator().manual_seed(7)
    weight = torch.randn(len(NOUNS), classifier.class_weight.shape[1], generator=noise)
    return NounHeadScorer(classifier, NounHead(NOUNS, weight, torch.zeros(len(NOUNS))))


def last_layer(scorer):
    return trunk_layers(scorer.classifier.network)[-1]


def closed_form(scorer, indices):
    features = scorer.feature_maps(IMAGES)
    return closed_form_cams(features, scorer.pooled_weight(features, indices))


def assert_close(maps, expected):
    """Compare relative to the largest value of each map, as single cells may cancel."""
    peaks = expected.abs().amax((-2, -1), keepdim=True).clamp(min=1e-30)
    torch.testing.assert_close(maps / peaks, expected / peaks, rtol=0, atol=1e-5)


@pytest.mark.parametrize("arch", ARCHS)
def test_closed_form_autograd_and_library_agree_for_the_noun_head(arch):
    scorer = nounhead(arch)
    expected = library_cams(scorer, last_layer(scorer), IMAGES, INDICES)
    assert expected.shape[:2] == (2, 3)
    assert_close(closed_form(scorer, INDICES), expected)
    assert_close(autograd_cams(scorer, last_layer(scorer), IMAGES, INDICES), expected)


@pytest.mark.parametrize("arch", ARCHS)
def test_closed_form_autograd_and_library_agree_for_groups_of_classes(arch):
    classifier = tiny_classifier(arch, classes=("red fox", "kit fox", "house", "grey fox", "dog"))
    scorer = ClassGroupScorer(classifier, ["fox", "house", "dog"])
    expected = library_cams(scorer, last_layer(scorer), IMAGES, [2, 0])
    assert_close(closed_form(scorer, [2, 0]), expected)
    assert_close(autograd_cams(scorer, last_layer(scorer), IMAGES, [2, 0]), expected)


@pytest.mark.parametrize(
    ("arch", "layer"),
    [("mobilenet_v2", "features.13"), ("resnet18", "layer3"), ("squeezenet1_1", "features.7")],
)
def test_autograd_and_library_agree_below_the_last_layer(arch, layer):
    scorer = nounhead(arch)
    module = scorer.classifier.network.get_submodule(layer)
    expected = library_cams(scorer, module, IMAGES, INDICES)
    assert_close(autograd_cams(scorer, module, IMAGES, INDICES), expected)


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


def test_any_layers_map_is_the_slow_loops():
    torch.manual_seed(2)
    lower, upper = nn.Conv2d(3, 7, 3, stride=2), nn.Conv2d(7, 4, (2, 3))
    network = nn.Sequential(lower, nn.ReLU(inplace=True), upper, nn.Flatten())
    images = torch.rand(2, 3, 7, 11)
    activations = lower(images).detach().requires_grad_()  # (2, 7, 3, 5)
    network[3](upper(activations.relu()))[:, 5].sum().backward()
    maps = autograd_cams(network, lower, images, [5])
    expected = loops.grad_cam(activations[1].detach().numpy(), activations.grad[1].numpy())
    np.testing.assert_allclose(maps[1, 0].numpy(), expected, rtol=1e-4, atol=1e-7)


def test_maps_keep_their_negative_cells():
    assert (closed_form(nounhead("resnet18"), INDICES) < 0).any()


@pytest.mark.parametrize("method", [autograd_cams, library_cams])
def test_a_network_in_training_is_left_as_it_was(method):
    classifier = tiny_classifier("resnet18").train()
    classifier.network.layer1.requires_grad_(False)
    flags = [weight.requires_grad for weight in classifier.parameters()]
    means = classifier.network.bn1.running_mean.clone()
    method(classifier, classifier.network.layer3, IMAGES, [1])
    assert classifier.training
    assert classifier.network.layer3.training
    assert [weight.requires_grad for weight in classifier.parameters()] == flags
    assert torch.equal(classifier.network.bn1.running_mean, means)
    assert not classifier.network.layer3._forward_hooks
    assert all(weight.grad is None for weight in classifier.parameters())


@pytest.mark.parametrize("method", [autograd_cams, library_cams])
def test_a_wrong_class_is_an_error_and_leaves_no_hook(method):
    scorer = nounhead("resnet18")
    with pytest.raises(IndexError):
        method(scorer, last_layer(scorer), IMAGES, [99])
    assert not last_layer(scorer)._forward_hooks


def test_images_without_gradient_get_none():
    images = IMAGES.clone().requires_grad_()
    scorer = nounhead("resnet18")
    autograd_cams(scorer, last_layer(scorer), images, [1])
    assert images.grad is None
