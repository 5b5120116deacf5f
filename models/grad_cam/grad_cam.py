"""Raw Grad-CAM: one signed map per image and score, on the layer's own grid, never rescaled.

With activations A_k of h x w cells and a score S_c, the map is sum_k alpha_ck A_k; alpha_ck is
the mean over cells of dS_c / dA_k (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391,
equations 1 and 2 before the ReLU). Three functions compute the same map: a closed form for
scores of pooled features, autograd for any layer, and the library pytorch-grad-cam.

Shapes: B images, C channels, K of N scores, (h, w) cells of the layer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

Score = Callable[[Tensor], Tensor]
ToGrid = Callable[[Tensor], Tensor]


def closed_form_cams(features: Tensor, weight: Tensor) -> Tensor:
    """Return the maps of scores that depend on the features only through their mean over cells.

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
    score: Score, layer: nn.Module, images: Tensor, score_indices: Tensor, to_grid: ToGrid
) -> Tensor:
    """Return the maps of any layer, by one backward pass per score down to that layer.

    All images share each backward pass, also where their scores differ. Nothing below the layer is
    differentiated if the weights there need no gradient; no weight's `.grad` is changed.

    Args:
        score: function from images to scores (B, N) that runs the layer.
        layer: module that is called once in a pass.
        images: input of `score`, float32 (B, 3, H, W).
        score_indices: indices of the K scores to explain of each image, i64 (B, K); K may be 0.
        to_grid: function from the layer's output to maps (B, C, h, w).

    Returns:
        Signed maps, float32 (B, K, h, w).

    Raises:
        ValueError: the layer is not called exactly once.
        IndexError: an index is not below N.
    """
    leaves: list[Tensor] = []
    with torch.enable_grad(), _output_hook(layer, _detach_into(leaves)):
        scores = score(images.detach())  # (B, N)
        if len(leaves) != 1:
            raise ValueError(f"the layer is called {len(leaves)} times in a pass, not once")
        rows = torch.arange(len(scores), device=scores.device)
        gradients = [
            torch.autograd.grad(scores[rows, indices].sum(), leaves[0], retain_graph=True)[0]
            for indices in score_indices.T
        ]
    activations = to_grid(leaves[0].detach())  # (B, C, h, w)
    alphas = [to_grid(gradient).mean((-2, -1), keepdim=True) for gradient in gradients]
    maps = [(alpha * activations).sum(1) for alpha in alphas]  # (B, h, w) each
    return torch.stack(maps, 1) if maps else activations[:, :0]  # (B, K, h, w)


def library_cams(
    network: nn.Module, layer: nn.Module, images: Tensor, score_indices: Tensor, to_grid: ToGrid
) -> Tensor:
    """Return the maps of `autograd_cams`, computed by pytorch-grad-cam: slow, for comparison.

    Arguments as in `autograd_cams`, with K >= 1 and a network, which is put into evaluation mode,
    in place of `score`.
    """
    with torch.enable_grad():
        method = _RawGradCam(network, [layer], reshape_transform=to_grid)
        try:
            pixels = images.detach().requires_grad_()  # a frozen network has no other graph
            maps = [
                method(pixels, [ClassifierOutputTarget(int(index)) for index in indices])
                for indices in score_indices.T
            ]  # (B, h, w) each
        finally:
            method.activations_and_grads.release()
    return torch.from_numpy(np.stack(maps, 1))  # (B, K, h, w)


class _RawGradCam(GradCAM):
    """The library's Grad-CAM without its ReLU, its resizing and its two min-max stretches."""

    def compute_cam_per_layer(
        self, input_tensor: Tensor, targets: list[Any], eigen_smooth: bool
    ) -> list[NDArray[np.float32]]:
        hooks = self.activations_and_grads
        activations, gradients = hooks.activations[0].numpy(), hooks.gradients[0].numpy()
        layer = self.target_layers[0]
        return [
            self.get_cam_image(input_tensor, layer, targets, activations, gradients, eigen_smooth)
        ]  # (B, h, w)

    def aggregate_multi_layers(
        self, cam_per_target_layer: list[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        return cam_per_target_layer[0]


def _detach_into(leaves: list[Tensor]) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """Return a hook that detaches its layer's output and appends the new leaf to `leaves`."""

    def hook(_layer: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor):
            raise ValueError("the layer puts out several tensors; name one that puts out one")
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()  # the next layer may work in place, which a leaf forbids

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
