"""Convolutions that do the work of the constant batch norm behind them.

With constant statistics a batch norm is y = s x + t of each channel, and so a convolution with
weights s W and bias s b + t gives what the two give, equal but for rounding, in one pass over the
maps. Weights, their gradients and names in a state dict stay as they are: the product s W is formed
anew in every pass while W may be trained.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, fx, nn
from torchvision.ops import FrozenBatchNorm2d
from typing_extensions import override


def fold_batch_norms(network: nn.Module) -> int:
    """Fold every constant batch norm into the convolution before it, in place.

    Args:
        network: traced by `torch.fx`, or one that it can trace; a batch norm of PyTorch's own must
            stay in evaluation mode. A convolution whose output is used elsewhere, too, is left.

    Returns:
        How many were folded; none in a network that cannot be traced.
    """
    pairs = [*_pairs(network)]
    for conv, norm in pairs:
        _fold(conv, norm)
    return len(pairs)


def _pairs(network: nn.Module) -> Iterator[tuple[nn.Conv2d, Any]]:
    """Yield each convolution that only a batch norm reads, with that."""
    for node in _nodes(network):
        before = node.args[0] if node.args else None
        if node.op != "call_module" or not isinstance(before, fx.Node):
            continue
        norm = network.get_submodule(str(node.target))
        conv = network.get_submodule(str(before.target)) if before.op == "call_module" else None
        is_norm = isinstance(norm, nn.BatchNorm2d | FrozenBatchNorm2d)
        if is_norm and isinstance(conv, nn.Conv2d) and len(before.users) == 1:
            yield conv, norm


class _Tracer(fx.Tracer):
    """Keeps frozen batch norms whole."""

    @override
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, FrozenBatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def _nodes(network: nn.Module) -> list[fx.Node]:
    """Return the steps of a network; none if it cannot be traced."""
    if isinstance(network, fx.GraphModule):
        return [*network.graph.nodes]
    try:
        return [*_Tracer().trace(network).nodes]
    except (TypeError, ValueError, RuntimeError):  # a TraceError is a ValueError
        return []


def _fold(conv: nn.Conv2d, norm: Any) -> None:
    """Give a convolution the work of a batch norm, which from now on does nothing."""

    def convolve(maps: Tensor) -> Tensor:
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # (C,)
        shift = norm.bias - norm.running_mean * scale  # (C,)
        bias = shift if conv.bias is None else conv.bias * scale + shift
        return conv._conv_forward(maps, conv.weight * scale[:, None, None, None], bias)

    conv.forward = convolve  # type: ignore[assignment, method-assign]
    norm.forward = lambda maps: maps
