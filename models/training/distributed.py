"""What a loss must know of the other processes of a training, to be the loss of the whole batch.

DDP averages the gradients of N processes, each with its part of a batch. Where a loss is a mean
over a number that differs between parts, or compares the members of a batch, it is made such that
this average is the gradient of the loss of the whole batch, and the average of what the processes
log is that loss. With one process nothing changes.
"""

import torch
from torch import Tensor, distributed
from torch.nn import functional as F


def num_processes() -> int:
    """Return N, the processes of this training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def all_reduce_mean(values: Tensor) -> Tensor:
    """Return the mean over the processes of a tensor that each has, float32, detached.

    Every process must call it, in the same order.
    """
    whole = values.detach().float().clone()
    if num_processes() > 1:
        distributed.all_reduce(whole)
    return whole / num_processes()


def global_count(count: Tensor) -> Tensor:
    """Return what to divide this part's sum by for a mean: `all_reduce_mean`, at least 1 / N."""
    return all_reduce_mean(count).clamp(min=1 / num_processes())


def all_gather_batch(values: Tensor) -> Tensor:
    """Put the parts of a batch together, process after process, padded to the largest with zeros.

    Gradient flows into this process's own part only: as every process computes the whole loss, that
    is all of the part's gradient (see `scale_to_global_batch`).

    Args:
        values: this process's part, (B, ...), of any type; every process has as many axes.
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
    """Return a loss that every process computes of the gathered batch, its gradient times N."""
    return loss.detach() + num_processes() * (loss - loss.detach())


def _largest_shape(values: Tensor) -> list[int]:
    shape = torch.tensor(values.shape, device=values.device)
    distributed.all_reduce(shape, op=distributed.ReduceOp.MAX)
    return [int(side) for side in shape]


def _padded(values: Tensor, shape: list[int]) -> Tensor:
    missing = [wanted - have for wanted, have in zip(shape, values.shape, strict=True)]
    return F.pad(values, [side for gap in reversed(missing) for side in (0, gap)])
