"""Files and folders that appear whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends without an error.

    Both lie in one folder, which is made. The bytes are flushed to the disk before the file is
    renamed, so that a kill or a power cut leaves either the old file or the new one. A writer holds
    a lock on its temporary file (`.NAME.*.partial`); files without a lock are left by killed
    writers, and the next writer of the same path removes them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_partials_of_the_killed(path)
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    lock = os.open(partial, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield partial
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)
        os.close(lock)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `path` when the block ends without an error.

    It lies beside `path` (`.NAME.partial`); one that a killed writer left is removed. DVC allows
    one writer at a time. An old folder is removed just before the renaming.
    """
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for entry in sorted(partial.rglob("*")):
            _flush(entry)
        shutil.rmtree(path, ignore_errors=True)
        partial.replace(path)
        _flush(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def work_folder(stage: str, fingerprint: str) -> Path:
    """Return the folder of a stage's unfinished work, outside DVC's outputs, for a later run."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".work" / stage / fingerprint


def make_folder(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Make and fill a folder unless it exists; it appears whole or not at all.

    Args:
        folder: to make.
        fill: function that writes into an empty folder.

    Returns:
        Whether it was made.
    """
    if folder.is_dir():
        return False
    with whole_folder(folder) as partial:
        fill(partial)
    return True


def _remove_partials_of_the_killed(path: Path) -> None:
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        try:
            lock = os.open(partial, os.O_RDWR)
        except FileNotFoundError:  # its writer has just finished
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink(missing_ok=True)
        except BlockingIOError:  # its writer is alive
            continue
        finally:
            os.close(lock)


def _flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
