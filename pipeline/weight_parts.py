"""Folders that take long to make: each appears whole, and is not made twice."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def work_folder(stage: str, fingerprint: str) -> Path:
    """Return where a stage keeps what a later run may use: outside DVC's outputs."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".work" / stage / fingerprint


def make_folder(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Fill a folder unless it is there; it gets its name when it is full.

    Args:
        folder: what to make.
        fill: writes into the empty folder that it is given.

    Returns:
        Whether it had to be made.
    """
    if folder.is_dir():
        return False
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    fill(partial)
    for file in sorted(partial.rglob("*")):
        _flush(file)
    partial.rename(folder)
    return True


def _flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
