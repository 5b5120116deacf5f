"""Processes that end with the one that started them, however that ends."""

import ctypes
import os
import signal
import sys
from multiprocessing import parent_process

DVC_STAGE = "DVC_STAGE"  # set by DVC for what it runs
_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
_LOCATING = "-m"  # what `python -m` calls the program while it imports its packages


def is_starting() -> bool:
    """Return whether this is `python -m MODULE`, which imports the packages of MODULE so far."""
    return sys.argv[:1] == [_LOCATING]


def end_with_dvc() -> None:
    """Make the kernel end this process with the DVC that runs it; outside of DVC, do nothing."""
    if DVC_STAGE in os.environ:
        end_with_parent()


def end_with_parent() -> None:
    """Make the kernel end this process when the one that started it ends; only Linux can.

    A process that is killed cannot end what it has started. It would go on alone, beside the next
    run of the same stage.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = parent_process()  # None where Python did not start this one
    if parent is not None and not parent.is_alive():  # it ended before the kernel was asked
        os.kill(os.getpid(), signal.SIGTERM)
