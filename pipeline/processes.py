"""The processes of one training: one, or as many as torchrun has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Team:
    """This process among the processes of a training.

    Attributes:
        rank: its number, from 0.
        num_processes: how many there are.
        device: its own.
    """

    rank: int
    num_processes: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """This process writes files and messages."""
        return self.rank == 0


@contextmanager
def joined_team(device: torch.device) -> Iterator[Team]:
    """Join the processes that torchrun started (RANK is set), or be alone.

    Args:
        device: CUDA or CPU; of several CUDA devices each process takes the one of its LOCAL_RANK.
    """
    if "RANK" not in os.environ:
        yield Team(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
