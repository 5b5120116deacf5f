"""What a process does with memory that it no longer needs."""

import ctypes
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
