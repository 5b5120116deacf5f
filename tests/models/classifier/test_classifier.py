import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision import models
from torchvision.models import mobilenet_v2

from models.classifier.classifier import (
    ARCHITECTURES,
    Classifier,
    ImageNorm,
    build_network,
    head_layer,
    imagenet_classes,
    load_classifier,
    save_classifier,
    trunk_layers,
)
from models.given_files.safe_load import ModelFileError, NonFiniteError
from tests.models.classifier.tiny_classifier import CLASSES, TIMM, WIDTHS, tiny_classifier

IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
ARCHS = sorted(WIDTHS)


@pytest.fixture
def folder(tmp_path):
    save_classifier(tmp_path / "classifier", tiny_classifier())
    return tmp_path / "classifier"


def test_the_norm_subtracts_and_divides_each_colour_by_its_own():
    norm = ImageNorm((0.1, 0.2, 0.3), (0.5, 0.25, 0.125), bgr=False)
    pixel = torch.tensor([0.6, 0.7, 0.8]).view(1, 3, 1, 1)
    assert norm(pixel).flatten().tolist() == pytest.approx([1.0, 2.0, 4.0])
    assert not norm.state_dict()  # weight files hold the network alone


def test_the_norm_of_a_bgr_network_hands_over_blue_first():
    norm = ImageNorm((0.1, 0.2, 0.3), (0.5, 0.25, 0.125), bgr=True)
    pixel = torch.tensor([0.6, 0.7, 0.8]).view(1, 3, 1, 1)
    assert norm(pixel).flatten().tolist() == pytest.approx([4.0, 2.0, 1.0])


def test_a_classifier_is_shown_pictures_by_the_mean_and_deviation_of_its_own(folder):
    info = json.loads((folder / "classifier.json").read_text())
    told = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.25, 0.125], "bgr": True}
    (folder / "classifier.json").write_text(json.dumps(info | told))
    pixel = torch.tensor([0.6, 0.7, 0.8]).view(1, 3, 1, 1)
    assert load_classifier(folder).norm(pixel).flatten().tolist() == pytest.approx([4, 2, 1])


@pytest.mark.parametrize("arch", ARCHS)
def test_scores_of_the_feature_maps_are_the_networks_own(arch):
    classifier = tiny_classifier(arch, bgr=True)
    torch.nn.init.uniform_(classifier.class_bias, 0.1, 2.0)  # squeezenet's is drawn as 0
    logits = classifier.class_logits(classifier.feature_maps(IMAGES))
    torch.testing.assert_close(logits, classifier(IMAGES))


@pytest.mark.parametrize("arch", ARCHS)
def test_the_trunk_holds_every_layer_but_the_head(arch):
    network = build_network(arch, WIDTHS[arch], 5)
    in_trunk = sum(len(list(layer.parameters())) for layer in trunk_layers(network))
    assert in_trunk == len(list(network.parameters())) - 2


def test_a_mobilenet_is_torchvisions():
    ours = build_network("mobilenet_v2", 0.5, 7).state_dict()
    theirs = mobilenet_v2(num_classes=7, width_mult=0.5).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("arch", ["resnet18", "resnet34"])
def test_a_resnet_of_the_published_width_is_torchvisions(arch):
    ours = build_network(arch, 1.0, 7).state_dict()
    theirs = models.get_model(arch, num_classes=7).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    shallow = build_network("resnet10", 0.125, 7)
    assert [len(getattr(shallow, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [1] * 4


@pytest.mark.parametrize("arch", ["resnet50", "squeezenet1_1"])
def test_an_architecture_of_one_width_refuses_another(arch):
    with pytest.raises(ModelFileError, match=rf"{arch}.*1\.0.*0\.5"):
        build_network(arch, 0.5, 7)


def test_an_unknown_architecture_is_refused_with_the_known_ones():
    with pytest.raises(ModelFileError, match=r"vgg16.*mobilenet_v2.*resnet50"):
        build_network("vgg16", 1.0, 7)


def test_every_architecture_can_be_built():
    assert [len(trunk_layers(build_network(arch, 1.0, 3))) > 3 for arch in ARCHITECTURES] == (
        [True] * len(ARCHITECTURES)
    )


def test_a_saved_classifier_comes_back_with_all_it_says(folder):
    loaded = load_classifier(folder)
    assert torch.equal(loaded(IMAGES), tiny_classifier()(IMAGES))
    assert (loaded.info, loaded.classes) == (tiny_classifier().info, CLASSES)


def test_a_loaded_classifier_is_in_evaluation_mode(folder):
    assert not any(module.training for module in load_classifier(folder).modules())


def test_equal_classifiers_give_equal_bytes(folder, tmp_path):
    save_classifier(tmp_path / "again", tiny_classifier())
    names = ("classifier.json", "weights.safetensors")
    assert [(folder / name).read_bytes() for name in names] == [
        (tmp_path / "again" / name).read_bytes() for name in names
    ]


def test_weights_that_do_not_lie_in_rows_are_saved_below_folders_that_are_not_there(tmp_path):
    classifier = tiny_classifier()
    classifier.network.to(memory_format=torch.channels_last)
    save_classifier(tmp_path / "a" / "b", classifier)
    assert torch.equal(load_classifier(tmp_path / "a" / "b")(IMAGES), tiny_classifier()(IMAGES))


def test_a_classifier_with_a_weight_that_is_not_finite_is_not_written(tmp_path):
    classifier = tiny_classifier()
    torch.nn.init.constant_(classifier.class_bias, torch.inf)
    with pytest.raises(NonFiniteError, match=r"fc\.bias"):
        save_classifier(tmp_path / "a", classifier)
    assert not (tmp_path / "a").exists()


def test_class_names_may_hold_any_letters(tmp_path):
    names = ("Straßenbahn", "自転車", "a, b")
    save_classifier(tmp_path, tiny_classifier(classes=names))
    assert load_classifier(tmp_path).classes == names


def test_a_missing_weight_is_refused(folder):
    weights = load_file(folder / "weights.safetensors")
    save_file({k: v for k, v in weights.items() if k != "fc.bias"}, folder / "weights.safetensors")
    with pytest.raises(
        ModelFileError, match=rf"(?s)^{folder}/weights.safetensors: .*resnet10.*fc.bias"
    ):
        load_classifier(folder)


def test_a_weight_of_another_shape_is_refused(folder):
    info = json.loads((folder / "classifier.json").read_text())
    (folder / "classifier.json").write_text(json.dumps(info | {"classes": ["one"]}))
    with pytest.raises(ModelFileError, match=r"fc\.weight"):
        load_classifier(folder)


def test_a_truncated_weight_file_is_refused(folder):
    content = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFileError, match=r"weights.safetensors"):
        load_classifier(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"arch": 1},
        {"training_set": None},
        {"licence": []},
        {"classes": "abcd"},
        {"classes": ["a", "b", "c", 4]},
        {"width": "wide"},
        {"mean": [0.1, 0.2, "0.3"]},
        {"mean": [0.1, 0.2]},
        {"std": 0.5},
        {"std": [0.1, 0.2, 0.3, 0.4]},
        {"std": [0.1, 0, 0.3]},
        {"std": [0.1, 0.2, -0.3]},
        {"bgr": 7},
    ],
)
def test_a_value_of_another_kind_is_refused(folder, change):
    path = folder / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelFileError, match=rf"classifier\.json.*\b{next(iter(change))}\b"):
        load_classifier(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"arch": "resnet10"}'])
def test_a_description_that_is_none_is_refused(folder, content):
    (folder / "classifier.json").write_text(content)
    with pytest.raises(ModelFileError, match=r"classifier\.json"):
        load_classifier(folder)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"classifier\.json"):
        load_classifier(tmp_path)


def test_torchvision_names_the_thousand_classes_of_imagenet():
    names = imagenet_classes()
    assert (len(names), names[0], names[207]) == (1000, "tench", "golden retriever")


@pytest.mark.real
def test_the_real_mobilenet_recognises_most_dogs_of_captions_with_a_dog(real):
    """Twelve photographs whose captions say `dog`; 118 of the 1,000 classes are dogs."""
    from PIL import Image
    from torchvision.transforms.functional import to_tensor

    network = build_network("mobilenet_v2", 1.0, 1000).eval()
    network.load_state_dict(
        torch.load(real / "weights" / "mobilenet_v2_imagenet.pth", weights_only=True)
    )
    norm = ImageNorm((0.5,) * 3, (0.5,) * 3, bgr=False)
    with_dogs = [
        file.stem
        for file in sorted((real / "flickr30k" / "Sentences").glob("*.txt"))
        if file.read_text(encoding="utf-8").count(" dog]") >= 4
    ][:12]
    pictures = [real / "flickr30k" / "flickr30k-images" / f"{stem}.jpg" for stem in with_dogs]
    images = [to_tensor(Image.open(file).convert("RGB").resize((224, 224))) for file in pictures]
    guesses = network(norm(torch.stack(images))).argmax(1)
    assert ((guesses >= 151) & (guesses <= 268)).float().mean() > 0.5


@pytest.mark.parametrize("arch", ARCHS)
def test_gates_times_the_weight_are_the_mean_derivative_of_the_logits(arch):
    classifier = tiny_classifier(arch)
    assert classifier.is_linear == (arch != "squeezenet1_1")
    features = classifier.feature_maps(IMAGES).detach()
    features[..., 0, :] = 0  # of squeezenet, whose bias is 0, no score comes from there
    features.requires_grad_()
    for noun in range(len(CLASSES)):
        total = classifier.class_logits(features)[:, noun].sum()
        derivative = torch.autograd.grad(total, features)[0].sum((-2, -1))  # (B, C)
        gates = classifier.gates(features)[:, noun, None]
        torch.testing.assert_close(gates * classifier.class_weight[noun], derivative)


def test_maps_and_scores_of_a_network_of_timm_are_its_own():
    network = build_network("timm/test_resnet", 1.0, 3).eval()
    classifier = Classifier(network, replace(tiny_classifier().info, arch="timm/test_resnet"))
    maps = classifier.feature_maps(IMAGES)
    torch.testing.assert_close(maps, network.forward_features(classifier.norm(IMAGES)))
    torch.testing.assert_close(classifier.class_logits(maps), classifier(IMAGES))
    assert (classifier.last_layer, classifier.has_closed_form) == ("layer4", True)


def test_a_network_of_timm_with_a_head_of_its_own_scores_by_it():
    classifier = tiny_classifier(TIMM[1])
    assert not classifier.has_closed_form
    maps = classifier.feature_maps(IMAGES)
    torch.testing.assert_close(classifier.class_logits(maps), classifier(IMAGES))
    assert maps.shape[1] == classifier.num_features != classifier.class_weight.shape[1]


class HeadFirst(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.maps = torch.nn.Linear(7, 3), torch.nn.Conv2d(3, 7, 5)

    def get_classifier(self):
        return self.fc


def test_the_head_of_a_network_of_timm_is_the_one_that_it_names():
    network = HeadFirst()
    assert head_layer(network) is network.fc


@pytest.mark.parametrize("arch", ARCHS)
def test_the_last_maps_have_the_number_of_channels_that_is_said(arch):
    classifier = tiny_classifier(arch)
    maps = classifier.feature_maps(IMAGES)
    assert maps.shape[1] == classifier.num_features
    assert classifier.has_closed_form
    kept = []
    layer = classifier.network.get_submodule(classifier.last_layer)
    layer.register_forward_hook(lambda *call: kept.append(call[2]))
    classifier(IMAGES)
    torch.testing.assert_close(kept, [maps])
