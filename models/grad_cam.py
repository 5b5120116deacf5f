"""Raw Grad-CAM: one signed map per (image, class), on the layer's own grid, never rescaled.

With activations A_k of h x w cells and a score S_c, the map is sum_k alpha_ck A_k; alpha_ck is
the mean over cells of dS_c / dA_k (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391,
equations 1 and 2 before the ReLU). Three ways to the same map stand here: a closed form for scores
of pooled features, autograd for any layer, and the library pytorch-grad-cam.

Shapes: B images, C channels, K classes asked for, N classes, (h, w) cells of the layer.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn


def closed_form_cams(features: Tensor, weight: Tensor) -> Tensor:
    """Return the maps of scores that see the features only through their mean over cells.

    Such a score's gradient is the same in every cell, so the map is Zhou's class activation map
    (2016, https://arxiv.org/abs/1512.04150) divided by h * w.

    Args:
        features: maps of the layer that is pooled, float32 (B, C, h, w).
        weight: derivative of each score by each pooled feature, float32 (K, C), or (B, K, C)
            where it depends on the image.

    Returns:
        Signed maps, float32 (B, K, h, w).
    """
    height, width = features.shape[-2:]
    maps = torch.matmul(weight, features.flatten(2))  # (B, K, h * w)
    return maps.view(*maps.shape[:2], height, width) / (height * width)  # (B, K, h, w)


def autograd_cams(
    network: nn.Module, layer: nn.Module, images: Tensor, class_indices: Sequence[int]
) -> Tensor:
    """Return the maps of any layer, by one backward pass per class down to that layer.

    Neither a weight nor its `.grad` is touched, and nothing below the layer is differentiated.

    Args:
        network: maps images to scores (B, N).
        layer: a module of the network, called once per pass, that returns (B, C, h, w).
        images: whatever the network takes, float32 (B, 3, H, W).
        class_indices: the K scores.

    Returns:
        Signed maps, float32 (B, K, h, w).
    """
    kept: list[Tensor] = []
    with _evaluating(network), torch.enable_grad(), _output_hook(layer, _detach_into(kept)):
        scores = network(images.detach())  # (B, N)
        totals = [scores[:, index].sum() for index in class_indices]
        activations = kept[0]  # (B, C, h, w)
        gradients = [
            torch.autograd.grad(total, activations, retain_graph=True)[0] for total in totals
        ]
    alphas = [gradient.mean((-2, -1), keepdim=True) for gradient in gradients]  # (B, C, 1, 1) each
    maps = [(alpha * activations.detach()).sum(1) for alpha in alphas]  # (B, h, w) each
    return torch.stack(maps, 1)  # (B, K, h, w)


def library_cams(
    network: nn.Module, layer: nn.Module, images: Tensor, class_indices: Sequence[int]
) -> Tensor:
    """Return what `autograd_cams` returns, computed by pytorch-grad-cam: slow, to compare with."""
    with _evaluating(network), torch.enable_grad():
        method = _RawGradCam(network, [layer])
        try:
            pixels = images.detach().clone().requires_grad_()  # a frozen network has no other graph
            maps = [
                method(pixels, [ClassifierOutputTarget(index)] * len(images))
                for index in class_indices
            ]  # (B, h, w) each
        finally:
            method.activations_and_grads.release()
    return torch.from_numpy(np.stack(maps, 1))  # (B, K, h, w)


class _RawGradCam(GradCAM):
    """The library's Grad-CAM without its ReLU, its resizing and its two min-max stretches."""

    def compute_cam_per_layer(
        self, input_tensor: Tensor, targets: list[Any], eigen_smooth: bool
    ) -> list[NDArray[np.float32]]:
        seen = self.activations_and_grads
        activations, gradients = seen.activations[0].numpy(), seen.gradients[0].numpy()
        layer = self.target_layers[0]
        return [
            self.get_cam_image(input_tensor, layer, targets, activations, gradients, eigen_smooth)
        ]  # (B, h, w)

    def aggregate_multi_layers(
        self, cam_per_target_layer: list[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        return cam_per_target_layer[0]


def _detach_into(kept: list[Tensor]) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """Return a hook that cuts the graph at its layer and keeps the leaf that stands there."""

    def hook(_layer: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()  # the next layer may work in place, which a leaf forbids

    return hook


@contextmanager
def _output_hook(
    layer: nn.Module, hook: Callable[[nn.Module, Any, Tensor], Tensor]
) -> Iterator[None]:
    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Freeze the network and put it into evaluation mode for the block, then undo both."""
    trained = [module for module in network.modules() if module.training]
    free = [weight for weight in network.parameters() if weight.requires_grad]
    try:
        network.eval().requires_grad_(False)
        yield
    finally:
        for weight in free:
            weight.requires_grad_()
        for module in trained:
            module.training = True
