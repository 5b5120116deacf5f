"""Turn any network of torchvision or timm that shrinks its maps into a three-level extractor.

Shapes: B images, S input pixels per side, C channels of a level.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.fx.proxy import TraceError
from torch.nn import functional as F
from torchvision import models as torchvision_models
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.ops import FrozenBatchNorm2d

from models.layers.masking import PaddingBlinds

STRIDES = {3: 8, 4: 16, 5: 32}  # level -> input pixels per cell
STEM_STRIDE = 4
TRACE_PX = 128


@dataclass(frozen=True)
class TracedModule:
    """A module whose output is a feature map.

    Attributes:
        name: of the module; of a network of timm, the position in its list of maps.
        stride: input pixels per cell of the map.
        channels: of the map.
    """

    name: str
    stride: int
    channels: int


class Backbone(nn.Module):
    """Feature maps at strides 8, 16 and 32.

    A level of a classification network is the output of the outermost module that ends at its
    stride (`layer2` of a ResNet, `features.6` of a MobileNetV2); networks that timm cut into maps
    name these themselves. A level that the network never reaches is max-pooled from the one before.
    Batch norm is frozen, and so is everything that only levels beyond the deepest of
    `trained_levels` need and, where the weights are pre-trained, everything up to stride 4.

    Args:
        network: a classification network of torchvision or timm, or one that timm made with
            `features_only`; copied.
        trained_levels: the levels that are used.
        is_pretrained: whether the weights are pre-trained; of random ones the stem is trained, too.

    Raises:
        ValueError: the network has no map at stride 8, puts its channels last, or cannot be traced.
    """

    def __init__(
        self, network: nn.Module, trained_levels: tuple[int, ...], is_pretrained: bool = True
    ) -> None:
        super().__init__()
        network = freeze_batch_norm(copy.deepcopy(network))
        trace = trace_strides(network)
        ends = {level: _last_at(trace, stride) for level, stride in STRIDES.items()}
        stem = _last_at(trace, STEM_STRIDE) if is_pretrained else None
        _freeze(network, trace, stem, _deepest(ends, trained_levels))
        reached = {level: end for level, end in ends.items() if end is not None}
        if _is_cut_by_timm(network):
            reached = _timm_ends(network)
        if 3 not in reached:
            raise ValueError("backbone: the network has no feature map at stride 8")
        self.extract = PaddingBlinds(_extractor(network, reached))
        self.channels = {3: reached[3].channels}
        for level in (4, 5):
            self.channels[level] = (
                reached[level].channels if level in reached else self.channels[level - 1]
            )

    def forward(self, images: Tensor, pixel_mask: Tensor) -> dict[int, Tensor]:
        """Return the maps of every level, zero on padding.

        Args:
            images: normalised, float32 (B, 3, S, S); what they hold under padding is ignored.
            pixel_mask: True = image, bool (B, S, S).

        Returns:
            level -> float (B, C, S / stride, S / stride).
        """
        named = self.extract(images, pixel_mask)
        levels = {3: named["3"]}
        for level in (4, 5):
            features = named.get(str(level))
            levels[level] = pooled(levels[level - 1]) if features is None else features
        return levels


def pooled(features: Tensor) -> Tensor:
    """Return the feature map max-pooled by 2, (B, C, ceil(h / 2), ceil(w / 2))."""
    return F.max_pool2d(features, 2, ceil_mode=True)


class TimmLevels(nn.Module):
    """The feature maps of a network of timm, keyed by their level as text ("3", "4", "5")."""

    def __init__(self, network: nn.Module, places: dict[str, int]) -> None:
        """Wrap a network; `places` gives the position of each level in its list of maps."""
        super().__init__()
        self.network = network
        self.places = places

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return level -> (B, C, h, w) of normalised images (B, 3, S, S)."""
        maps = self.network(images)
        return {level: maps[place] for level, place in self.places.items()}


def _is_cut_by_timm(network: nn.Module) -> bool:
    """Return whether a network puts out a list of maps, as timm makes it with `features_only`."""
    return hasattr(getattr(network, "feature_info", None), "reduction")


def _extractor(network: nn.Module, ends: dict[int, TracedModule]) -> nn.Module:
    """Return what turns images into the maps of the levels, by the text of each level."""
    if _is_cut_by_timm(network):
        return TimmLevels(network, {str(level): int(end.name) for level, end in ends.items()})
    nodes = {end.name: str(level) for level, end in ends.items()}
    if not hasattr(network, "forward_features"):
        return create_feature_extractor(network, nodes)
    from timm.layers import (
        create_feature_extractor as cut_timm,  # knows what of timm to leave whole
    )

    try:
        return cut_timm(network, nodes)
    except (TraceError, ValueError) as error:
        raise ValueError(f"backbone: the classifier cannot be cut into levels: {error}") from error


def _timm_ends(network: Any) -> dict[int, TracedModule]:
    """Return the last map of each level's stride; its name is its place in the list of maps."""
    strides, channels = network.feature_info.reduction(), network.feature_info.channels()
    with torch.no_grad():
        maps = copy.deepcopy(network).eval()(torch.zeros(1, 3, TRACE_PX, TRACE_PX))
    if [features.shape[1] for features in maps] != channels:
        raise ValueError("backbone: the network puts its channels last; maps are (B, C, h, w) here")
    return {
        level: TracedModule(str(place), stride, channels[place])
        for level, stride in STRIDES.items()
        for place in range(len(strides))
        if strides[place] == stride
    }


def freeze_batch_norm(network: nn.Module) -> nn.Module:
    """Replace every BatchNorm2d by one with constant statistics and scale, in place."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _frozen(child))
    return network


def _frozen(norm: nn.BatchNorm2d) -> nn.Module:
    """Return a batch norm with the constants of another, and its activation if timm gave it one."""
    frozen = FrozenBatchNorm2d(norm.num_features, eps=norm.eps)
    frozen.load_state_dict(norm.state_dict(), strict=False)
    if not hasattr(norm, "act"):
        return frozen
    drop, act = cast("nn.Module", norm.drop), cast("nn.Module", norm.act)
    return nn.Sequential(frozen, drop, act)


def trace_strides(network: nn.Module) -> list[TracedModule]:
    """Return every module whose output is a feature map, in order of completion.

    The network is run on one blank image of `TRACE_PX` x `TRACE_PX`.

    Raises:
        ValueError: the network does not take images of this size.
    """
    trace: list[TracedModule] = []
    hooks = [
        module.register_forward_hook(_recorder(name, trace))
        for name, module in network.named_modules()
        if name
    ]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, TRACE_PX, TRACE_PX))
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"backbone: it does not take {TRACE_PX} px: {error}") from error
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    return trace


def _recorder(name: str, trace: list[TracedModule]) -> Callable[[nn.Module, Any, Any], None]:
    def record(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            stride = 2 ** round(math.log2(TRACE_PX / output.shape[-1]))
            trace.append(TracedModule(name, stride, output.shape[1]))

    return record


def _last_at(trace: list[TracedModule], stride: int) -> TracedModule | None:
    """Return the outermost module that ends at `stride`, the last one if there are several."""
    there = [module for module in trace if module.stride == stride]
    if not there:
        return None
    outermost = min(module.name.count(".") for module in there)
    return [module for module in there if module.name.count(".") == outermost][-1]


def _deepest(ends: dict[int, TracedModule | None], levels: tuple[int, ...]) -> TracedModule | None:
    """Return the end of the deepest of `levels` that is reached; `ends` go from shallow to deep."""
    reached = [end for level, end in ends.items() if level <= max(levels) and end]
    return reached[-1] if reached else None


def _freeze(
    network: nn.Module,
    trace: list[TracedModule],
    stem: TracedModule | None,
    deepest: TracedModule | None,
) -> None:
    """Freeze what runs before the end of the stem and what runs after the deepest level."""
    first = trace.index(stem) + 1 if stem else 0
    last = trace.index(deepest) + 1 if deepest else len(trace)
    trained = {module.name for module in trace[first:last]}
    for name, module in network.named_modules():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(name in trained)


CLASSIFIER = "classifier"  # the network of the dataset's classifier
TIMM_PREFIX = "timm/"


def named_network(name: str) -> nn.Module:
    """Return a network of torchvision or timm with random weights.

    Args:
        name: of a classification network of torchvision, such as `resnet50`; behind `timm/`, of a
            network that timm can cut into feature maps, such as `timm/convnext_tiny`.

    Raises:
        ValueError: neither library knows the name.
    """
    check_name(name)
    if not name.startswith(TIMM_PREFIX):
        return torchvision_models.get_model(name, weights=None)
    import timm  # here, because only networks of timm need it

    return timm.create_model(name.removeprefix(TIMM_PREFIX), pretrained=False, features_only=True)


def check_name(name: str) -> None:
    """Check that a library knows a network; the name is one of `named_network`.

    Raises:
        ValueError: neither torchvision nor timm does.
    """
    if name.startswith(TIMM_PREFIX):
        import timm

        if not timm.is_model(name.removeprefix(TIMM_PREFIX)):
            raise ValueError(f"backbone: timm knows no {name.removeprefix(TIMM_PREFIX)!r}")
    elif name not in torchvision_models.list_models(module=torchvision_models):
        raise ValueError(
            f"backbone: {name!r} is neither `{CLASSIFIER}` nor a classification network of "
            f"torchvision; `{TIMM_PREFIX}NAME` asks timm"
        )
