"""The processes of one training: one, or as many as torchrun has started."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from pipeline.errors import InputError
from pipeline.observe.observer import Observer


@dataclass(frozen=True)
class ProcessGroup:
    """This process among the processes of a training.

    Attributes:
        rank: its number, from 0.
        num_processes: how many there are.
        device: its own.
    """

    rank: int
    num_processes: int
    device: torch.device


@dataclass(frozen=True)
class Machine:
    """Where a training runs, and its observer; no result depends on it but for rounding.

    Attributes:
        group: this process and its like.
        workers: processes that make its batches.
        observer: receives its messages and progress.
    """

    group: ProcessGroup
    workers: int
    observer: Observer


def start_processes(module: str) -> None:
    """Replace this process by torchrun with PIPELINE_NPROC processes of a module, if that is set.

    Raises:
        InputError: PIPELINE_NPROC is not a number of processes.
    """
    setting = os.environ.get("PIPELINE_NPROC", "1")
    if not setting.isdecimal() or int(setting) == 0:
        raise InputError(f"PIPELINE_NPROC={setting}: must be how many processes train, such as 2")
    if int(setting) > 1 and "RANK" not in os.environ:
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={setting}"]
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *torchrun, "-m", module, *sys.argv[1:]])


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started (RANK is set), or be alone.

    Args:
        device: CUDA or CPU; of several CUDA devices each process takes the one of its LOCAL_RANK.
    """
    if "RANK" not in os.environ:
        yield ProcessGroup(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
