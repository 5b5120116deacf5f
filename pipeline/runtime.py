"""How a process uses the machine: device and seeds."""

import os
import random

import numpy as np
import torch

from pipeline.errors import InputError


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
