"""What every stage process sets up first: its command line, error messages, device and seeds."""

import argparse
import ctypes
import logging
import os
import random
import sys
from collections.abc import Callable, Mapping
from types import TracebackType

import numpy as np
import torch

from pipeline.errors import InputError
from pipeline.params.read import read_params

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def stage_arguments(
    doc: str | None,
    variant: bool = False,
    add: Callable[[argparse.ArgumentParser], None] | None = None,
) -> argparse.Namespace:
    """Read `python -m stages.X DATASET [VARIANT]`, and let an `InputError` end the process quietly.

    Args:
        doc: the stage's docstring; its first line is the help text.
        variant: whether the stage runs once per variant.
        add: adds further arguments.

    Returns:
        `.dataset` and, if asked for, `.variant`: names that params.yaml knows.

    Raises:
        InputError: params.yaml is wrong, or does not know the name.
    """
    sys.excepthook = tell
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("dataset", help="a key of `datasets` in params.yaml")
    if variant:
        parser.add_argument("variant", help="a key of `variants` in params.yaml")
    if add is not None:
        add(parser)
    arguments = parser.parse_args()
    params = read_params()
    _check_name("datasets", arguments.dataset, params.datasets)
    if variant:
        _check_name("variants", arguments.variant, params.variants)
    return arguments


def keep_freed_memory() -> None:
    """Ask glibc to reuse large blocks instead of returning them; elsewhere, do nothing.

    Returned blocks come back as fresh pages that the kernel clears, which took two thirds of the
    time of a network's forward pass on batches above 32 MB a tensor.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an uncaught `InputError` as one line on stderr and anything else with its traceback.

    It is a `sys.excepthook`: the process ends with exit status 1 either way.
    """
    if isinstance(error, InputError):
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    else:
        sys.__excepthook__(kind, error, trace)


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


def _check_name(where: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise InputError(f"{name!r} is no key of `{where}` in params.yaml: {', '.join(known)}")
