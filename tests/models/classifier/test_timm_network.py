import re
import sys
from collections import defaultdict
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor

from models.classifier.classifier import (
    Classifier,
    ClassifierInfo,
    build_network,
    load_classifier,
    save_classifier,
)
from models.classifier.timm_network import has_pooled_linear_head, maps_layer, timm_input
from models.given_files.safe_load import ModelFileError
from models.pretrained.convert import convert_classifier
from tests.models.classifier.tiny_classifier import CLASSES

IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
# what the head makes of the last maps, read in timm's sources
LINEAR = {
    "timm/test_efficientnet": True,
    "timm/test_resnet": True,
    "timm/mobilenetv3_small_050": False,
    "timm/test_convnext": False,
}
INFO = ("timm/x", 1.0, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), False, CLASSES, "noise", "none")


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return {arch: build_network(arch, 1.0, len(CLASSES)).eval() for arch in LINEAR}


@pytest.mark.parametrize("arch", LINEAR)
def test_scores_of_the_feature_maps_are_the_networks_own(networks, arch):
    classifier = Classifier(networks[arch], ClassifierInfo(*INFO)).eval()
    features = classifier.feature_maps(IMAGES)
    assert features.shape == (2, classifier.num_features, 2, 3)
    logits = classifier.class_logits(features)
    assert logits.shape == (2, len(CLASSES))
    torch.testing.assert_close(logits, classifier(IMAGES))


@pytest.mark.parametrize(("arch", "is_linear"), LINEAR.items())
def test_a_head_is_linear_only_where_nothing_stands_before_its_last_layer(
    networks, arch, is_linear
):
    assert has_pooled_linear_head(networks[arch]) == is_linear
    assert Classifier(networks[arch], ClassifierInfo(*INFO)).is_linear == is_linear


class Pooled(nn.Module):
    """A head that pools in some way, as timm's interface names the parts of a network."""

    num_features = 7

    def __init__(self, pool, last=None):
        super().__init__()
        self.pool, self.fc = pool, last or nn.Linear(7, 3)

    def get_classifier(self):
        return self.fc

    def forward_head(self, maps, pre_logits=False):
        pooled = self.pool(maps)
        return pooled if pre_logits else self.fc(pooled)


class UnitLinear(nn.Linear):
    """A linear layer on a vector of length one."""

    def forward(self, pooled):
        return super().forward(nn.functional.normalize(pooled))


def mean_and_most(maps):
    return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (Pooled(lambda maps: maps.mean((2, 3))), True),
        (Pooled(lambda maps: maps.amax((2, 3))), False),
        (Pooled(lambda maps: maps.mean((2, 3)).relu()), False),
        (Pooled(lambda maps: maps.relu().mean((2, 3))), False),
        (Pooled(lambda maps: maps.mean((2, 3)), nn.Linear(7, 3, bias=False)), False),
        (Pooled(lambda maps: maps.mean((2, 3)), nn.Identity()), False),
        (Pooled(lambda maps: maps.mean((2, 3)), UnitLinear(7, 3)), False),
        (Pooled(mean_and_most, nn.Linear(14, 3)), False),
    ],
)
def test_only_the_mean_over_cells_before_a_linear_layer_counts(head, expected):
    assert has_pooled_linear_head(head) == expected


def test_a_head_is_judged_as_it_is_used_and_left_in_the_mode_that_it_was_in():
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5))
    head = Pooled(pool).train()
    assert has_pooled_linear_head(head)
    assert all(module.training for module in head.modules())
    assert has_pooled_linear_head(head.eval())
    assert not any(module.training for module in head.modules())


def test_the_layer_of_the_last_maps_comes_just_before_the_head(networks):
    names = {arch: maps_layer(network) for arch, network in networks.items()}
    assert names["timm/test_resnet"] == "layer4"
    for arch, name in names.items():
        kept = []
        layer = networks[arch].get_submodule(name)
        handle = layer.register_forward_hook(lambda *call, kept=kept: kept.append(call[2]))
        logits = networks[arch](IMAGES)
        handle.remove()
        torch.testing.assert_close(networks[arch].forward_head(kept[0]), logits)


def test_asking_for_the_layer_leaves_no_hook_and_keeps_the_mode(networks):
    network = networks["timm/test_resnet"].train()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    maps_layer(network)
    assert network.training
    network.eval()
    assert not any(module._forward_hooks for module in network.modules())
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)


@pytest.mark.parametrize(
    "arch",
    [
        "timm/test_vit",  # puts out tokens
        "timm/test_mambaout",  # puts its channels last
        "timm/no_such_network",
    ],
)
def test_a_network_without_last_maps_is_refused_on_one_line(arch):
    with pytest.raises(ModelFileError, match=arch.removeprefix("timm/")) as refused:
        build_network(arch, 1.0, 3)
    assert "\n" not in str(refused.value)


class Features(nn.Module):
    """The part of a network before the head, by timm's names: a layer of maps and its ending."""

    num_features = 7

    def __init__(self, ending):
        super().__init__()
        self.maps, self.ending = nn.Conv2d(3, 7, 32, 32), ending

    def forward_features(self, images):
        return self.ending(self.maps(images))


@pytest.mark.parametrize(
    ("ending", "named"),
    [
        (nn.Flatten(2), r"\(1, 7, 15\)"),
        (nn.Conv2d(7, 5, 1), r"\(1, 5, 3, 5\)"),
        (lambda maps: [maps], "list"),
        (lambda maps: maps + 1, "module"),
    ],
)
def test_other_than_maps_of_every_channel_that_a_module_puts_out_is_refused(ending, named):
    with pytest.raises(ValueError, match=named):
        maps_layer(Features(ending))


@pytest.mark.parametrize("ending", [nn.ReLU(), nn.ReLU(inplace=True)])
def test_of_layers_that_put_out_the_same_maps_the_last_counts(ending):
    assert maps_layer(Features(ending)) == "ending"


def test_another_width_is_refused():
    with pytest.raises(ModelFileError, match=r"width.*0\.5"):
        build_network("timm/test_resnet", 0.5, 3)


def test_a_saved_classifier_of_timm_comes_back(networks, tmp_path):
    info = ClassifierInfo("timm/test_resnet", *INFO[1:])
    classifier = Classifier(networks["timm/test_resnet"], info).eval()
    save_classifier(tmp_path, classifier)
    loaded = load_classifier(tmp_path)
    assert loaded.info == info
    assert torch.equal(loaded(IMAGES), classifier(IMAGES))


def test_timm_tells_how_it_feeds_a_network():
    lite = timm_input("timm/tf_efficientnet_lite2")
    assert (lite.mean, lite.std, lite.image_px) == ((0.5,) * 3, (0.5,) * 3, 260)
    resnet = timm_input("timm/resnet50.tv_in1k")  # as torchvision feeds it
    assert (resnet.mean, resnet.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def dog_crops(flickr30k, count):
    """Return the first boxes that are alone in being a "... dog", 32 px or more, as pictures."""
    crops = []
    for stem in (flickr30k / "val.txt").read_text().split() + (
        flickr30k / "train.txt"
    ).read_text().split():
        text = (flickr30k / "Sentences" / f"{stem}.txt").read_text(encoding="utf-8")
        chains = set(re.findall(r"\[/EN#(\d+)/animals [^\]]*\bdog\]", text)) - {"0"}
        places = defaultdict(list)
        for thing in ElementTree.parse(flickr30k / "Annotations" / f"{stem}.xml").iter("object"):
            for box in thing.iter("bndbox"):
                corners = [int(box.findtext(key)) for key in ("xmin", "ymin", "xmax", "ymax")]
                for name in thing.iter("name"):
                    places[name.text].append(corners)
        image = Image.open(flickr30k / "flickr30k-images" / f"{stem}.jpg").convert("RGB")
        for x1, y1, x2, y2 in (places[chain][0] for chain in chains if len(places[chain]) == 1):
            if min(x2 - x1, y2 - y1) >= 32:
                crops.append(image.crop((x1 - 1, y1 - 1, x2, y2)))
        if len(crops) >= count:
            return crops[:count]
    raise AssertionError(f"only {len(crops)} dogs")


@pytest.mark.real
def test_the_real_efficientnet_knows_the_family_of_most_dogs(real, tmp_path):
    """The weights fit key by key; 118 of the 1,000 classes are dogs."""
    arch, source = "timm/tf_efficientnet_lite2", "tf_efficientnet_lite2_imagenet.safetensors"
    by_timm = timm_input(arch)
    info = ClassifierInfo(arch, 1.0, by_timm.mean, by_timm.std, False, (), "ImageNet-1k", "")
    convert_classifier(real / "weights" / source, info, tmp_path)
    classifier = load_classifier(tmp_path)
    assert classifier.is_linear
    crops = dog_crops(real / "flickr30k", count=60)
    side = (by_timm.image_px, by_timm.image_px)
    images = torch.stack([to_tensor(crop.resize(side, Image.BICUBIC)) for crop in crops])
    with torch.no_grad():
        guesses = torch.cat([classifier(batch).argmax(1) for batch in images.split(15)])
    share = ((guesses >= 151) & (guesses <= 268)).float().mean().item()
    sys.stdout.write(f"{share:.1%} of n = {len(guesses)} dog crops fall into the dog family\n")
    assert share > 0.75
