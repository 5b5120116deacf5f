"""Classification networks of timm whose last layer puts out maps, which Grad-CAM explains.

Shapes: B images, C channels, N classes, (h, w) cells of the last layer.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.given_files.impostors import one_line
from models.given_files.safe_load import ModelFileError

TIMM_PREFIX = "timm/"
PROBE_HW = (96, 160)  # an image of unequal sides, of whole cells at stride 32
PROBE_SEED = 0


@dataclass(frozen=True)
class TimmInput:
    """What timm feeds the published weights of a network.

    Attributes:
        mean: subtracted from RGB in [0, 1].
        std: divisor of each channel.
        image_px: side of the square images.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_px: int


def is_timm(arch: str) -> bool:
    """Return whether the name of an architecture is one of timm's: `timm/` and its name there."""
    return arch.startswith(TIMM_PREFIX)


def check_timm(arch: str) -> None:
    """Check that timm knows the network of an architecture `timm/NAME`.

    Raises:
        ModelFileError: it does not.
    """
    import timm  # here, because only networks of timm need it

    if not timm.is_model(arch.removeprefix(TIMM_PREFIX)):
        raise ModelFileError(f"arch: timm knows no {arch.removeprefix(TIMM_PREFIX)!r}")


def build_timm(arch: str, num_classes: int) -> nn.Module:
    """Return a network of timm with random weights.

    Args:
        arch: `timm/` and a name that timm knows; a tag of weights behind a dot changes nothing.
        num_classes: number of outputs.

    Raises:
        ModelFileError: timm has no such network, or its last layer puts out no maps (B, C, h, w) of
            images of any size, as those of transformers.
    """
    import timm

    check_timm(arch)
    name = arch.removeprefix(TIMM_PREFIX)
    network = timm.create_model(name, pretrained=False, num_classes=num_classes)
    try:
        maps_layer(network)
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"arch: {arch} cannot be explained by Grad-CAM here, which needs maps (B, C, h, w) of "
            f"images of any size from its last layer: {one_line(error)}"
        ) from error
    return network


def maps_layer(network: Any) -> str:
    """Return the name of the module that puts out the last maps, which the head takes.

    The network is run on one blank image and is left in the mode that it was in.

    Raises:
        ValueError: its last layer puts out something else than maps (B, C, h, w), or no module
            puts them out.
        AssertionError, AttributeError, RuntimeError, TypeError: as the network fails on an image of
            `PROBE_HW`.
    """
    outputs: list[tuple[str, Any]] = []
    hooks = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: outputs.append((name, output))
        )
        for name, module in network.named_modules()
        if name
    ]
    was_training, device = network.training, next(network.parameters()).device
    try:
        with torch.no_grad():
            maps = network.eval().forward_features(torch.zeros(1, 3, *PROBE_HW, device=device))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    if not isinstance(maps, Tensor) or maps.ndim != 4 or maps.shape[1] != network.num_features:
        shape = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(f"its output for an image of {PROBE_HW} px is {shape}")
    names = [name for name, output in outputs if output is maps]
    if not names:
        raise ValueError("no module puts out the maps that its head takes")
    return names[-1]


def has_pooled_linear_head(network: Any) -> bool:
    """Return whether the class scores are one linear layer on the mean of the last maps.

    What the head makes of random maps before its last layer is compared with their mean.
    """
    layer = network.get_classifier()
    if type(layer) is not nn.Linear or layer.bias is None:
        return False
    random = torch.Generator().manual_seed(PROBE_SEED)
    maps = torch.randn(2, network.num_features, 3, 5, generator=random).to(layer.weight.device)
    was_training = network.training
    with torch.no_grad():
        pooled = network.eval().forward_head(maps, pre_logits=True)
    network.train(was_training)
    means = maps.mean((-2, -1))  # (2, C)
    return pooled.shape == means.shape and torch.allclose(pooled, means, rtol=1e-4, atol=1e-5)


def timm_input(arch: str) -> TimmInput:
    """Return what timm feeds the weights that a name stands for, by default or by its tag."""
    import timm

    entry = timm.get_pretrained_cfg(arch.removeprefix(TIMM_PREFIX))
    return TimmInput(tuple(entry.mean), tuple(entry.std), entry.input_size[-1])
