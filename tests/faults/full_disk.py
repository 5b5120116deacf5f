"""A disk without room, for a process that is not allowed to write more."""

import resource
from contextlib import contextmanager


@contextmanager
def full_disk(most_bytes):
    """Let no file grow beyond so many bytes: the system refuses it as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
