"""Files and folders that appear whole or not at all."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pipeline.errors import InputError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


class WriteError(InputError):
    """A file cannot be written: a full or read-only disk, no permission; the message names both."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends without an error.

    Both lie in one folder, which is made. The bytes are flushed to the disk before the file is
    renamed, so that a kill or a power cut leaves either the old file or the new one. A writer holds
    a lock on its temporary file (`.NAME.*.partial`); files without a lock are left by killed
    writers, and the next writer of the same path removes them.

    Raises:
        WriteError: the disk is full or read-only, or the folder or `path` may not be written.
    """
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    with _as_write_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_partials_of_the_killed(path)
        lock = os.open(partial, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _as_write_error(path, _NO_ROOM):
            yield partial
        with _as_write_error(path):
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

    Raises:
        WriteError: as `whole_file`.
    """
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with _as_write_error(path):
        partial.mkdir(parents=True)
    try:
        with _as_write_error(path, _NO_ROOM):
            yield partial
        with _as_write_error(path):
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


@contextmanager
def _as_write_error(path: Path, numbers: Container[int] | None = None) -> Iterator[None]:
    """Turn an error of the disk, or one that it led to, into a `WriteError`.

    Args:
        path: that is written.
        numbers: of the errors to turn; None: all.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py's second error, at closing, has no number
        number = _disk_error(error)
        if number is None or (numbers is not None and number not in numbers):
            raise
        raise WriteError(
            f"{path}: cannot be written: {os.strerror(number).lower()}; make room or take another "
            "folder, then run again"
        ) from error


def _disk_error(error: BaseException | None) -> int | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__context__
    return None


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
