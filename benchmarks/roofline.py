"""The least time that a training step could take on a device: its roofline floor."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.training.training_step import TrainingStep


@dataclass(frozen=True)
class Limits:
    """What the device reaches, measured: FLOP/s of a matrix product and bytes/s of a copy."""

    flops: float
    bytes: float


def measure_limits(device: torch.device, dtype: torch.dtype, side: int) -> Limits:
    """Return what a (side, side) product and a copy of 4 times as many elements reach."""
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    source = torch.empty(4 * side, side, device=device, dtype=torch.float32)
    target = torch.empty_like(source)
    product_s = min(timed(lambda: left @ right, device) for _ in range(5))
    copy_s = min(timed(lambda: target.copy_(source), device) for _ in range(5))
    return Limits(2 * side**3 / product_s, 2 * source.nbytes / copy_s)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a call, to the end of what it started on the device."""
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def wait(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def count_work(step: TrainingStep, batch: dict[str, Tensor]) -> tuple[float, float]:
    """Return the FLOPs of forward and backward pass, and the bytes kept between them."""
    weights = {weight.untyped_storage().data_ptr() for weight in step.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = max(kept.get(storage.data_ptr(), 0), tensor.nbytes)
        return tensor

    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = step(**step.data_preprocessor(batch))["loss"]
        loss.backward()
    step.zero_grad()
    return float(counter.get_total_flops()), float(sum(kept.values()))


def least_bytes(model: nn.Module, saved: float, accumulate: int) -> float:
    """Return the bytes that a step must move at least.

    What is kept for the backward pass is written once and read once. A frozen weight is read in
    both passes. A trained one is, too, and its gradient is read and written in each step; an update
    reads the gradient and reads and writes the weight and AdamW's two means, once in `accumulate`.
    """
    counts = {True: 0, False: 0}
    for weight in model.parameters():
        counts[weight.requires_grad] += weight.numel()
    trained = counts[True] * (16 + 28 / accumulate)
    return 2 * saved + trained + counts[False] * 8
