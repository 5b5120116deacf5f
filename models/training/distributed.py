"""Sums over the processes of a training, by which losses become those of the global batch.

DDP averages the gradients of N processes, each with its part of a batch. Where a loss is a mean
over a count that differs between parts, or compares the members of a batch, these functions make
that average the gradient of the loss of the global batch, and the average of the logged losses
that loss. With one process nothing changes.
"""

import torch
from torch import Tensor, distributed
from torch.nn import functional as F


def num_processes() -> int:
    """Return the number N of processes of this training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def all_reduce_mean(values: Tensor) -> Tensor:
    """Return the mean over the processes of a tensor, float32, detached.

    Every process must call it, in the same order.
    """
    whole = values.detach().float().clone()
    if num_processes() > 1:
        distributed.all_reduce(whole)
    return whole / num_processes()


def global_count(count: Tensor) -> Tensor:
    """Return the mean over the processes of a count, at least 1 / N, float32.

    A sum of this process's part divided by it is this process's share of the global mean.
    """
    return all_reduce_mean(count).clamp(min=1 / num_processes())


def all_gather_batch(values: Tensor) -> Tensor:
    """Return the global batch: the parts of all processes, in order of rank, (sum of B, ...).

    Parts are padded with zeros to the largest. Gradient flows into this process's own part only: as
    every process computes the whole loss, that is all of the part's gradient (see
    `scale_to_global_batch`).

    Args:
        values: this process's part, (B, ...), of any dtype, with as many axes in every process.
    """
    if num_processes() == 1:
        return values
    padded = _padded(values, _largest_shape(values))
    sent = padded.detach().contiguous()
    if values.dtype == torch.bool:  # not every backend sends it
        sent = sent.view(torch.uint8)
    parts = [torch.empty_like(sent) for _ in range(num_processes())]
    distributed.all_gather(parts, sent)
    parts = [part.view(values.dtype) for part in parts]
    parts[distributed.get_rank()] = padded
    return torch.cat(parts)


def scale_to_global_batch(loss: Tensor) -> Tensor:
    """Return the loss of the gathered batch with its gradient times N, which DDP divides by N."""
    return loss.detach() + num_processes() * (loss - loss.detach())


def _largest_shape(values: Tensor) -> list[int]:
    shape = torch.tensor(values.shape, device=values.device)
    distributed.all_reduce(shape, op=distributed.ReduceOp.MAX)
    return [int(side) for side in shape]


def _padded(values: Tensor, shape: list[int]) -> Tensor:
    missing = [full - own for full, own in zip(shape, values.shape, strict=True)]
    return F.pad(values, [side for gap in reversed(missing) for side in (0, gap)])
