import pytest
import timm
import torch
from timm.layers import BatchNormAct2d
from timm.models import FeatureInfo
from torch import nn
from torchvision import models

from models.layers.backbone import (
    Backbone,
    check_name,
    freeze_batch_norm,
    named_network,
    trace_strides,
)


def _resnet():
    torch.manual_seed(0)
    return models.resnet18(weights=None)


def everywhere(images):
    return torch.ones_like(images[:, 0], dtype=torch.bool)


def test_levels_of_a_resnet_are_the_outputs_of_its_last_three_stages():
    network, images = _resnet().eval(), torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        found = Backbone(network, (3, 4, 5))(images, everywhere(images))
        stem = network.maxpool(network.relu(network.bn1(network.conv1(images))))
        third = network.layer2(network.layer1(stem))
        fourth = network.layer3(third)
    torch.testing.assert_close(found[3], third)
    torch.testing.assert_close(found[4], fourth)
    torch.testing.assert_close(found[5], network.layer4(fourth))


def test_levels_of_a_mobilenet_are_the_last_block_at_each_stride():
    network, images = (
        models.mobilenet_v2(weights=None, width_mult=0.25).eval(),
        torch.rand(1, 3, 64, 64),
    )
    with torch.no_grad():
        found = Backbone(network, (3, 4, 5))(images, everywhere(images))
        torch.testing.assert_close(found[3], network.features[:7](images))
        torch.testing.assert_close(found[4], network.features[:14](images))
        torch.testing.assert_close(found[5], network.features(images))


def test_a_level_that_the_network_never_reaches_is_pooled_from_the_one_before():
    network = models.squeezenet1_1(weights=None).eval()
    backbone = Backbone(network, (3, 4, 5))
    images = torch.rand(1, 3, 127, 127)
    found = backbone(images, everywhere(images))
    expected = nn.functional.max_pool2d(found[4], 2, ceil_mode=True)
    torch.testing.assert_close(found[5], expected)
    assert backbone.channels == {level: maps.shape[1] for level, maps in found.items()}


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "efficientnet_b0"])
def test_levels_of_a_timm_network_are_its_own_maps_at_their_strides(name):
    torch.manual_seed(0)
    network, images = named_network(f"timm/{name}").eval(), torch.rand(2, 3, 64, 96)
    found = Backbone(network, (3, 4, 5)).eval()(images, everywhere(images))
    expected = dict(zip(network.feature_info.reduction(), network(images), strict=True))
    for level, stride in ((3, 8), (4, 16), (5, 32)):
        assert found[level].shape[-2:] == (64 // stride, 96 // stride)
        torch.testing.assert_close(found[level], expected[stride], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_convnext"])
def test_a_classification_network_of_timm_is_cut_at_the_same_places(name):
    torch.manual_seed(0)
    network, images = timm.create_model(name, num_classes=3).eval(), torch.rand(2, 3, 64, 96)
    found = Backbone(network, (3, 4, 5)).eval()(images, everywhere(images))
    inner = network.forward_intermediates(images, intermediates_only=True)
    expected = {maps.shape[-1]: maps for maps in inner} | {3: network.forward_features(images)}
    for level, stride in ((3, 8), (4, 16), (5, 32)):
        assert found[level].shape[-2:] == (64 // stride, 96 // stride)
        torch.testing.assert_close(found[level], expected[96 // stride], rtol=1e-4, atol=1e-5)


def test_the_stem_of_a_timm_network_is_frozen_too():
    backbone = Backbone(named_network("timm/resnet18"), (3, 4, 5))
    frozen = {n.split(".")[3] for n, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1", "layer1"}


def test_nothing_is_frozen_in_weights_that_say_nothing():
    backbone = Backbone(_resnet(), (3, 4, 5), is_pretrained=False)
    frozen = [n for n, p in backbone.named_parameters() if not p.requires_grad]
    assert not [name for name in frozen if ".fc" not in name]


@pytest.mark.parametrize(
    "name", ["resnet51", "timm/resnet51", "retinanet_resnet50_fpn", "convnext_atto"]
)
def test_a_name_that_no_library_knows_is_refused(name):
    with pytest.raises(ValueError, match="backbone"):
        named_network(name)


def test_a_name_is_asked_of_the_library_that_its_beginning_says():
    check_name("mobilenet_v2")
    check_name("timm/convnext_atto")


@pytest.mark.parametrize("name", ["timm/vit_tiny_patch16_224", "vit_b_16"])
def test_a_network_of_one_stride_is_refused(name):
    with pytest.raises(ValueError, match="backbone"):
        Backbone(named_network(name), (5,))


def test_batch_norm_does_not_learn_statistics():
    backbone, images = Backbone(_resnet(), (3, 4, 5)).train(), torch.rand(2, 3, 64, 64)
    mask = everywhere(images)
    first = backbone(images, mask)[5]
    torch.testing.assert_close(backbone(images, mask)[5], first, rtol=0, atol=0)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())


def test_a_batch_norm_without_factors_keeps_its_statistics():
    norm = nn.BatchNorm2d(2, affine=False)
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    norm.running_var.copy_(torch.tensor([4.0, 9.0]))
    images = torch.rand(2, 2, 3, 5)
    expected = norm.eval()(images)
    frozen = freeze_batch_norm(nn.Sequential(norm)).train()
    torch.testing.assert_close(frozen(images), expected)


class Doubling(nn.Module):
    def forward(self, maps):
        return 2 * maps


def test_a_batch_norm_of_timm_keeps_what_it_does_behind_it_in_order():
    norm = BatchNormAct2d(2, act_layer=nn.SiLU, drop_layer=Doubling).eval()
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    images = torch.rand(2, 2, 3, 5)
    expected = norm(images)
    frozen = freeze_batch_norm(nn.Sequential(norm)).train()
    torch.testing.assert_close(frozen(images), expected)


def test_stem_and_first_stage_are_frozen_and_the_rest_is_not():
    backbone = Backbone(_resnet(), (3, 4, 5))
    frozen = {name.split(".")[2] for name, p in backbone.named_parameters() if not p.requires_grad}
    trained = {name.split(".")[2] for name, p in backbone.named_parameters() if p.requires_grad}
    assert (frozen, trained) == ({"conv1", "layer1"}, {"layer2", "layer3", "layer4"})


def test_the_stem_ends_with_the_last_layer_at_stride_four():
    network = nn.Sequential(*(nn.Conv2d(n, n + 2, 2, stride=2) for n in (3, 5, 7)))
    weights = [w for w in Backbone(network, (3,)).parameters() if w.ndim == 4]
    assert {w.shape[1]: w.requires_grad for w in weights} == {3: False, 5: False, 7: True}


def test_what_only_deeper_levels_need_is_frozen():
    backbone = Backbone(_resnet(), (3,))
    trained = {name.split(".")[2] for name, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {"layer2"}


def test_a_level_that_is_skipped_is_pooled_and_does_not_train_what_lies_behind():
    network = nn.Sequential(nn.Conv2d(3, 5, 8, stride=8), nn.Conv2d(5, 7, 4, stride=4))
    backbone = Backbone(network, (3, 4))
    assert backbone.channels == {3: 5, 4: 5, 5: 7}
    weights = (network[0].weight.shape, network[1].weight.shape)
    trained = {p.shape: p.requires_grad for p in backbone.parameters() if p.ndim == 4}
    assert trained == dict(zip(weights, (True, False), strict=True))


def test_the_network_it_is_built_from_is_left_alone():
    network = _resnet()
    Backbone(network, (3,))
    assert isinstance(network.bn1, nn.BatchNorm2d)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_tracing_leaves_no_hook_and_keeps_the_mode():
    network = _resnet().train()
    trace_strides(network)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


class Twofold(nn.Sequential):
    """Puts out its maps twice."""

    def forward(self, images):
        maps = super().forward(images)
        return maps, maps


class First(nn.Module):
    def forward(self, maps):
        return maps[0]


def test_a_module_that_puts_out_no_single_map_has_no_stride():
    trace = trace_strides(nn.Sequential(Twofold(nn.Conv2d(3, 5, 8, stride=8)), First()))
    assert [(module.name, module.stride, module.channels) for module in trace] == [
        ("0.0", 8, 5),
        ("1", 8, 5),
    ]


def test_a_network_without_a_map_at_stride_eight_is_refused():
    with pytest.raises(ValueError, match="stride 8"):
        Backbone(nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1)), (3,))


class Reading(nn.Sequential):
    """Looks at the values of its image, as no network does that can be cut by its code."""

    def forward(self, images):
        return super().forward(images if images.sum() > 0 else -images)

    def forward_features(self, images):
        return self(images)


def test_a_network_of_timm_that_looks_at_values_is_refused():
    with pytest.raises(ValueError, match=r"backbone.*cut"):
        Backbone(Reading(nn.Conv2d(3, 5, 8, stride=8)), (3,))


class ChannelsLast(nn.Module):
    """Puts out a map of 5 channels at stride 8 as timm's Swin does, with its channels last."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 5, 8, stride=8)
        self.feature_info = FeatureInfo([{"num_chs": 5, "reduction": 8, "module": "embed"}], (0,))

    def forward(self, images):
        return [self.embed(images).permute(0, 2, 3, 1)]


def test_a_network_with_its_channels_last_is_refused():
    with pytest.raises(ValueError, match=r"backbone.*channels last"):
        Backbone(ChannelsLast(), (3,))
