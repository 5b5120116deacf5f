import pytest
import torch

from models.classifier.classifier import trunk_layers
from models.classifier.noun_head import NounHead
from models.grad_cam.classifier_scorer import ClassGroupScorer, NounHeadScorer
from models.grad_cam.explainer import LayerError, NounExplainer
from models.noun_classes.class_names import find_classes
from tests.models.classifier.tiny_classifier import TIMM, tiny_classifier

ARCHS = ["mobilenet_v2", "resnet18", "squeezenet1_1"]
IMAGES = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(5))
NOUNS = ("cat", "dog", "fox", "house", "man")
WANTED = [[3, 0, 4], [2]]  # nouns of each image


def nounhead(arch, nouns=NOUNS):
    classifier = tiny_classifier(arch)
    noise = torch.Generator().manual_seed(7)
    weight = torch.randn(len(nouns), classifier.num_features, generator=noise)
    return NounHeadScorer(classifier, NounHead(nouns, weight, torch.zeros(len(nouns))))


def groups(arch):
    classes = ("red fox", "kit fox", "house", "grey fox", "dog")
    classifier = tiny_classifier(arch, classes=classes)
    nouns = ["cat", "fox", "house", "man", "dog"]
    return ClassGroupScorer(classifier, find_classes(nouns, classes))


def explain(scorer, backend, layer="", wanted=WANTED):
    return NounExplainer(scorer, layer, backend).explain(IMAGES, wanted).maps


def last_layer(scorer):
    return trunk_layers(scorer.network)[-1]


def assert_close(maps, expected):
    """Compare relative to the largest value of each map, as single cells may cancel."""
    peaks = expected.abs().amax((-2, -1), keepdim=True).clamp(min=1e-30)
    torch.testing.assert_close(maps / peaks, expected / peaks, rtol=0, atol=1e-5)


@pytest.mark.parametrize("arch", [*ARCHS, *TIMM])
def test_closed_form_autograd_and_library_agree_for_the_noun_head(arch):
    expected = explain(nounhead(arch), "library")
    assert [len(maps) for maps in expected] == [3, 1]
    for backend in ("auto", "autograd"):
        for maps, other in zip(explain(nounhead(arch), backend), expected, strict=True):
            assert_close(maps, other)


@pytest.mark.parametrize("arch", [*ARCHS, *TIMM])
def test_closed_form_autograd_and_library_agree_for_groups_of_classes(arch):
    wanted = [[2, 0], [1, 0]]
    expected = explain(groups(arch), "library", wanted=wanted)
    for backend in ("auto", "autograd"):
        for maps, other in zip(explain(groups(arch), backend, "", wanted), expected, strict=True):
            assert_close(maps, other)


@pytest.mark.parametrize(
    ("arch", "layer"),
    [
        ("mobilenet_v2", "features.13"),
        ("resnet18", "layer3"),
        ("squeezenet1_1", "features.7"),
    ],
)
def test_autograd_and_library_agree_below_the_last_layer(arch, layer):
    for scorer in (nounhead(arch), groups(arch)):
        wanted = [[2, 0], [1]]
        expected = explain(scorer, "library", layer, wanted)
        for maps, other in zip(explain(scorer, "auto", layer, wanted), expected, strict=True):
            assert maps.shape[-1] > 5  # a finer grid than the last layer's
            assert_close(maps, other)


class Unweighted(NounHeadScorer):
    """Has no closed form."""

    def pooled_weight(self, features, noun_indices):
        raise NotImplementedError


def test_a_closed_form_is_used_by_no_backend_but_its_own():
    scorer = nounhead("resnet18")
    scorer.__class__ = Unweighted
    for backend in ("autograd", "library"):
        assert [len(maps) for maps in explain(scorer, backend)] == [3, 1]
    with pytest.raises(NotImplementedError):
        explain(scorer, "auto")


@pytest.mark.parametrize(("backend", "passes"), [("auto", 1), ("autograd", 1), ("library", 4)])
def test_the_library_takes_a_pass_per_noun_and_one_for_the_probabilities(backend, passes):
    scorer, calls = nounhead("resnet18"), []
    scorer.network.conv1.register_forward_hook(lambda *_: calls.append(1))
    explain(scorer, backend, "layer3")
    assert len(calls) == passes


def test_no_images_have_no_maps():
    found = NounExplainer(nounhead("resnet18"), "layer3", "autograd").explain(IMAGES[:0], [])
    assert (found.maps, found.probs.shape) == ([], (0, len(NOUNS)))


def test_the_default_layer_named_is_the_default_layer():
    for arch in ARCHS:
        scorer = nounhead(arch)
        assert scorer.network.get_submodule(scorer.default_layer) is last_layer(scorer)
        for maps, other in zip(
            explain(scorer, "auto", scorer.default_layer), explain(scorer, "auto"), strict=True
        ):
            assert torch.equal(maps, other)


@pytest.mark.parametrize("backend", ["auto", "autograd", "library"])
@pytest.mark.parametrize("layer", ["", "layer3"])
def test_confidences_come_with_the_maps_and_an_image_without_nouns_has_none(backend, layer):
    scorer = nounhead("resnet18")
    found = NounExplainer(scorer, layer, backend).explain(IMAGES, [[], [1]])
    torch.testing.assert_close(found.probs, scorer.probs(IMAGES))
    grid = (6, 10) if layer else (3, 5)
    assert [tuple(maps.shape) for maps in found.maps] == [(0, *grid), (1, *grid)]
    nothing = NounExplainer(scorer, layer, backend).explain(IMAGES, [[], []])
    assert [tuple(maps.shape) for maps in nothing.maps] == [(0, *grid), (0, *grid)]


@pytest.mark.parametrize("backend", ["auto", "autograd", "library"])
def test_maps_and_confidences_hold_no_gradient_though_the_images_do(backend):
    images = IMAGES.clone().requires_grad_()
    found = NounExplainer(nounhead("resnet18"), "", backend).explain(images, WANTED)
    assert not any(value.requires_grad for value in (*found.maps, found.probs))


@pytest.mark.parametrize("backend", ["autograd", "library"])
def test_an_only_noun_may_be_in_one_image_and_not_in_the_other(backend):
    maps = explain(nounhead("resnet18", NOUNS[:1]), backend, "layer3", [[], [0]])
    assert [len(own) for own in maps] == [0, 1]


def test_a_layer_that_is_not_there_or_not_run_once_is_named():
    with pytest.raises(LayerError, match=r"cams\.layer.*layer9"):
        explain(nounhead("resnet18"), "auto", "layer9")
    with pytest.raises(LayerError, match=r"features.*\b0\b"):
        explain(nounhead("mobilenet_v2"), "auto", "features")
    with pytest.raises(LayerError, match=r"layer2\.0\.relu.*\b2\b"):
        explain(nounhead("resnet18"), "auto", "layer2.0.relu")


def test_maps_keep_their_negative_cells():
    assert any((maps < 0).any() for maps in explain(nounhead("resnet18"), "auto"))
