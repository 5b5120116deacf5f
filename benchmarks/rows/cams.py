"""Grad-CAMs of an image's nouns against pytorch-grad-cam, as it is called everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor
from torch.nn import functional as F

from benchmarks.made.networks import random_scorer
from benchmarks.ratios.row import Row, at_least, ratios_of
from benchmarks.ratios.timing import CPU, in_turns
from models.grad_cam.explainer import NounExplainer

LAST, INNER = "layer4", "layer3"
MARKS = {1: 2.8, 3: 8.0, 10: 25.0}  # nouns of an image -> how many times as fast
INNER_MARK = 7.0
_TINY = 1e-7  # in the library's scaling
_NOTE = "random weights; one image; on one thread; both end with maps in [0, 1] of the image's size"


@dataclass(frozen=True)
class CamSizes:
    """How large the comparison is; the library differentiates all weights, as by default."""

    arch: str = "resnet50"
    image_px: int = 224
    rounds: int = 6


def measure_cams(sizes: CamSizes = CamSizes(), counts: Sequence[int] = (1, 3, 10)) -> list[Row]:
    """Return a row for each number of nouns, at the network's last layer."""
    return [_compare(f"cams_{count}", LAST, count, MARKS[count], sizes) for count in counts]


def measure_inner_layer(sizes: CamSizes = CamSizes(rounds=5), num_nouns: int = 10) -> list[Row]:
    """Return the row of a layer without a closed form."""
    return [_compare(f"inner_layer_{num_nouns}", INNER, num_nouns, INNER_MARK, sizes)]


def _compare(name: str, layer: str, num_nouns: int, limit: float, sizes: CamSizes) -> Row:
    frozen = random_scorer(sizes.arch, num_nouns)
    trainable = random_scorer(sizes.arch, num_nouns).requires_grad_(True)
    explainer = NounExplainer(frozen, layer, "auto")
    images = torch.rand(1, 3, sizes.image_px, sizes.image_px, generator=torch.manual_seed(1))
    wanted = [list(range(num_nouns))]
    library = GradCAM(trainable, [trainable.network.get_submodule(layer)])

    def ours() -> Tensor:
        return shown_maps(explainer.explain(images, wanted).maps[0], sizes.image_px)

    def peer() -> Tensor:
        calls = (library(images, [ClassifierOutputTarget(index)]) for index in range(num_nouns))
        return torch.stack([torch.from_numpy(maps[0]) for maps in calls])  # (K, S, S)

    difference = float((ours() - peer()).abs().max())
    seconds = in_turns({"ours": ours, "peer": peer}, sizes.rounds)
    library.activations_and_grads.release()
    return Row(
        name,
        f"maps of {num_nouns} noun{'s' * (num_nouns > 1)}, {sizes.arch} at {sizes.image_px} px, "
        f"{layer}",
        "pytorch-grad-cam, one call a noun",
        at_least(limit),
        ratios_of(seconds["peer"], seconds["ours"]),
        CPU,
        _NOTE,
        difference,
    )


def shown_maps(maps: Tensor, image_px: int) -> Tensor:
    """Return raw maps (K, h, w) as the library shows them, in [0, 1], float32 (K, S, S).

    Positive part, stretched to its range, enlarged bilinearly, stretched once more.
    """
    sized = F.interpolate(
        _stretched(maps.clamp(min=0))[:, None], (image_px, image_px), mode="bilinear"
    )
    return _stretched(sized[:, 0])


def _stretched(maps: Tensor) -> Tensor:
    low = maps.amin((-2, -1), keepdim=True)
    return (maps - low) / (_TINY + (maps - low).amax((-2, -1), keepdim=True))
