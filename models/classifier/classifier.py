"""An image classifier whose last maps Grad-CAM explains, and its folder.

Shapes: B images, C channels, N classes, H W pixels, (h, w) cells of the last layer.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models as torchvision_models

from models.classifier.narrow_resnet import NarrowResNet
from models.classifier.timm_network import (
    build_timm,
    has_pooled_linear_head,
    is_timm,
    maps_layer,
)
from models.given_files.described_network import Description, build_with_weights
from models.given_files.foreign_values import is_finite_number
from models.given_files.impostors import cause_of
from models.given_files.json_files import read_json_value, write_json
from models.given_files.safe_load import ModelFileError, check_weights, load_safetensors

ARCHITECTURES = ("mobilenet_v2", "resnet10", "resnet18", "resnet34", "resnet50", "squeezenet1_1")
_NARROW_BLOCKS = {"resnet10": (1, 1, 1, 1), "resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
_HEADS = ("avgpool", "fc", "classifier")
_INFO_FILE, _WEIGHTS_FILE = "classifier.json", "weights.safetensors"


@dataclass(frozen=True)
class ClassifierInfo:
    """Content of `classifier.json`.

    Attributes:
        arch: one of `ARCHITECTURES`, or `timm/` and the name of a network of timm.
        width: channel multiplier; 1.0 for resnet50, squeezenet1_1 and networks of timm.
        mean: mean of the R, G and B channels of images in [0, 1], for normalisation.
        std: standard deviation of these channels.
        bgr: the network takes channels in the order B, G, R.
        classes: name of each output, in order.
        training_set: what the weights were trained on.
        licence: of the weights.
    """

    arch: str
    width: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool
    classes: tuple[str, ...]
    training_set: str
    licence: str


class ImageNorm(nn.Module):
    """Normalise RGB in [0, 1] to the input range and channel order of a network.

    Attributes:
        mean: the colour that becomes 0, RGB in [0, 1], float32 (3, 1, 1).
        std: divisor of each channel, float32 (3, 1, 1).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], bgr: bool) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.bgr = bgr

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's input of RGB images in [0, 1], both float32 (B, 3, H, W)."""
        images = (images - self.mean) / self.std
        return images.flip(1) if self.bgr else images


def build_network(arch: str, width: float, num_classes: int) -> nn.Module:
    """Return a network of torchvision or timm with random weights.

    Args:
        arch: one of `ARCHITECTURES`, whose parameter names are torchvision's, or `timm/` and the
            name of a network of timm.
        width: channel multiplier; resnet50, squeezenet1_1 and networks of timm have only 1.0.
        num_classes: number of outputs.

    Raises:
        ModelFileError: `arch` is none of these, has no such width, or its last layer puts out no
            maps.
    """
    if arch not in ARCHITECTURES and not is_timm(arch):
        known = ", ".join(ARCHITECTURES)
        raise ModelFileError(f"arch: {arch!r} is not one of {known} or timm/NAME")
    if arch in _NARROW_BLOCKS:
        return NarrowResNet(_NARROW_BLOCKS[arch], width, num_classes)
    if arch == "mobilenet_v2":
        return torchvision_models.mobilenet_v2(num_classes=num_classes, width_mult=width)
    if width != 1.0:
        raise ModelFileError(f"width: {arch} has only 1.0, got {width}")
    if is_timm(arch):
        return build_timm(arch, num_classes)
    build: Callable[..., nn.Module] = getattr(torchvision_models, arch)
    return build(num_classes=num_classes)


def trunk_layers(network: nn.Module) -> list[nn.Module]:
    """Return the layers of a torchvision network up to the last maps; of `features` each member."""
    layers: list[nn.Module] = []
    for name, child in network.named_children():
        if name not in _HEADS:
            layers.extend(child.children() if name == "features" else [child])
    return layers


def head_layer(network: Any) -> nn.Linear | nn.Conv2d:
    """Return the last linear or convolution layer, which computes the class scores."""
    if hasattr(network, "get_classifier"):  # of timm
        return network.get_classifier()
    candidates = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    return candidates[-1]


class Classifier(nn.Module):
    """A network with its normalisation and its class names.

    Attributes:
        is_linear: whether class scores are linear in the mean of each feature map. Squeezenet has a
            ReLU between, some networks of timm a norm or another layer.
    """

    def __init__(self, network: Any, info: ClassifierInfo) -> None:
        super().__init__()
        self.network = network
        self.info = info
        self.norm = ImageNorm(info.mean, info.std, info.bgr)
        self.is_timm = is_timm(info.arch)
        self.is_linear = (
            has_pooled_linear_head(network)
            if self.is_timm
            else isinstance(head_layer(network), nn.Linear)
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the N classes, in the order of the outputs."""
        return self.info.classes

    @property
    def has_closed_form(self) -> bool:
        """Whether `gates` and `class_weight` tell the derivative of every class score."""
        return self.is_linear or not self.is_timm

    @property
    def num_features(self) -> int:
        """Channels C of the last layer's maps."""
        return self.network.num_features if self.is_timm else self.class_weight.shape[1]

    @property
    def last_layer(self) -> str:
        """Name of the layer that puts out the last maps, in `network`."""
        if self.is_timm:
            return maps_layer(self.network)
        last = trunk_layers(self.network)[-1]
        return next(name for name, layer in self.network.named_modules() if layer is last)

    @property
    def class_weight(self) -> Tensor:
        """Weight of each input of the head's last layer in each class score, float32 (N, C)."""
        return head_layer(self.network).weight.flatten(1)

    @property
    def class_bias(self) -> Tensor:
        """Constant of each class score, float32 (N,)."""
        bias = head_layer(self.network).bias
        assert bias is not None
        return bias

    def feature_maps(self, images: Tensor) -> Tensor:
        """Return the last layer's maps, float32 (B, C, h, w), of RGB in [0, 1] (B, 3, H, W)."""
        maps = self.norm(images)
        if self.is_timm:
            return self.network.forward_features(maps)
        for layer in trunk_layers(self.network):
            maps = layer(maps)
        return maps

    def class_logits(self, features: Tensor) -> Tensor:
        """Return the class logits, float32 (B, N), of the last layer's maps (B, C, h, w)."""
        if self.is_linear:
            return features.mean((-2, -1)) @ self.class_weight.T + self.class_bias
        if self.is_timm:
            return self.network.forward_head(features)
        return self._cell_logits(features).relu().mean((-2, -1))  # (B, N)

    def gates(self, features: Tensor) -> Tensor:
        """Return the share of cells that pass the ReLU before pooling, in [0, 1], float32 (B, N).

        It is 1 without such a ReLU. The mean over cells of d score / d features is
        `class_weight / (h * w)` times this.
        """
        if self.is_linear:
            return features.new_ones(len(features), len(self.classes))
        return (self._cell_logits(features) > 0).float().mean((-2, -1))  # (B, N)

    def _cell_logits(self, features: Tensor) -> Tensor:
        cell_logits = torch.einsum("bchw,nc->bnhw", features, self.class_weight)
        return cell_logits + self.class_bias[:, None, None]  # (B, N, h, w)

    def forward(self, images: Tensor) -> Tensor:
        """Return the class logits, float32 (B, N), of RGB images in [0, 1] (B, 3, H, W)."""
        return self.network(self.norm(images))


def imagenet_classes() -> tuple[str, ...]:
    """Return torchvision's names of the 1,000 classes of ImageNet, in order of the outputs."""
    return tuple(torchvision_models.MobileNet_V2_Weights.DEFAULT.meta["categories"])


def save_classifier(folder: Path, classifier: Classifier) -> None:
    """Write `classifier.json` and `weights.safetensors`; equal weights give equal bytes.

    Raises:
        NonFiniteError: a weight is not finite; nothing is written.
    """
    state = {key: value.contiguous() for key, value in classifier.network.state_dict().items()}
    check_weights(state, folder / _WEIGHTS_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / _INFO_FILE, asdict(classifier.info), indent=1)
    save_file(state, folder / _WEIGHTS_FILE)


def load_classifier(folder: Path) -> Classifier:
    """Return the classifier of a folder, in evaluation mode.

    Raises:
        ModelFileError: a file is missing or malformed, or a weight is missing, left over, of
            another shape or not finite.
    """
    info = read_classifier_info(folder)
    path = folder / _WEIGHTS_FILE
    description = Description(
        folder / _INFO_FILE,
        f"{info.arch} of width {info.width}, as {_INFO_FILE} says",
        asdict(info),
        lambda: build_network(info.arch, info.width, len(info.classes)),
    )
    network = build_with_weights(description, load_safetensors(path), path)
    return Classifier(network, info).eval()


def read_classifier_info(folder: Path) -> ClassifierInfo:
    """Return the content of `classifier.json`.

    Raises:
        ModelFileError: it is missing or malformed.
    """
    path = folder / _INFO_FILE
    try:
        values = read_json_value(path)
        info = ClassifierInfo(
            **{field.name: _frozen(values[field.name]) for field in fields(ClassifierInfo)}
        )
        _check_info(info)
        return info
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = cause_of(path, error)
        raise ModelFileError(f"{path}: does not describe a classifier: {cause}") from error


def _check_info(info: ClassifierInfo) -> None:
    """Check the values that were read.

    Raises:
        ValueError: names the one that is none of its kind.
    """
    for name in ("arch", "training_set", "licence"):
        if not isinstance(getattr(info, name), str):
            raise ValueError(f"{name} must be a text")
    if not isinstance(info.classes, tuple) or not all(isinstance(one, str) for one in info.classes):
        raise ValueError("classes must be texts")
    for name, values in (("width", (info.width,)), ("mean", info.mean), ("std", info.std)):
        if not isinstance(values, tuple) or not all(map(is_finite_number, values)):
            raise ValueError(f"{name} must be finite")
    if (len(info.mean), len(info.std), info.bgr in (True, False)) != (3, 3, True):
        raise ValueError("mean and std must be three numbers, bgr true or false")
    if min(info.std) <= 0:
        raise ValueError("std must be above 0")


def _frozen(value: Any) -> Any:
    """Turn JSON's lists into tuples."""
    return tuple(value) if isinstance(value, list) else value
