"""What a process does with memory that it no longer needs."""

import ctypes
import gc
import sys

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


def put_off_collection() -> None:
    """Stop the search for garbage, until `begin_collection`, while a program imports what it needs.

    Imports make many objects and next to no garbage; the search took a third of the time in which a
    stage starts.
    """
    gc.disable()


def begin_collection() -> None:
    """End what `put_off_collection` began; what is there by now is not searched: modules last."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
