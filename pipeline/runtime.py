"""How a process uses the machine: freed memory, device, seeds."""

import ctypes
import os
import random
import sys

import numpy as np
import torch

from pipeline.errors import InputError

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Make glibc reuse large blocks instead of returning them; elsewhere, do nothing.

    Returned blocks come back as fresh pages that the kernel clears, which took two thirds of the
    time of a network's forward pass on batches above 32 MB a tensor.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def pick_device(name: str) -> torch.device:
    """Return the device `runtime.device` names; `auto` is CUDA where there is one, else the CPU.

    Raises:
        InputError: CUDA is asked for and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "runtime.device: cuda is asked for, but PyTorch finds no CUDA device; "
            "set it to auto or cpu in params.yaml"
        )
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch, and ask PyTorch for deterministic algorithms.

    An operation that has no deterministic form on the device warns and runs.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries draw from the global generator
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
