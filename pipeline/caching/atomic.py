"""Files and folders that appear whole or not at all."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError

from pipeline.errors import InputError

PARTIAL, LOCK = ".partial", ".lock"
_NUMBER = re.compile(r"\b(?:os error |Errno |errno = )(\d+)")
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


class WriteError(InputError):
    """A file cannot be written: a full or read-only disk, no permission; the message names both."""


@contextmanager
def whole_file(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends without an error.

    Both lie in one folder, which is made. The bytes are flushed to the disk before the file is
    renamed, so that a kill or a power cut leaves either the old file or the new one. A link to an
    old file elsewhere, as DVC makes them into its cache, keeps what it had.

    Args:
        path: of the file.
        flush: if not, a power cut, but no kill, may leave a file that is cut off or empty.

    Raises:
        WriteError: the disk is full or read-only, or the folder or `path` may not be written.
    """
    with _partial_of(path) as partial:
        with as_write_error(path, _DISK_ERRORS):
            yield partial
        with as_write_error(path):
            if flush:
                _flush(partial)
            partial.replace(path)
            if flush:
                _flush(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `path` when the block ends without an error.

    It lies beside `path`. An old folder is removed just before the renaming.

    Raises:
        WriteError: as `whole_file`.
    """
    with _partial_of(path) as partial:
        with _filled(path, partial):
            yield partial
        with as_write_error(path):
            shutil.rmtree(path, ignore_errors=True)
            partial.replace(path)
            _flush(path.parent)


def work_folder(stage: str, fingerprint: str) -> Path:
    """Return the folder of a stage's unfinished work, outside DVC's outputs, for a later run."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".work" / stage / fingerprint


def make_folder(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Make and fill a folder unless it exists; it appears whole or not at all.

    Of two processes that fill it at a time the first to end makes it.

    Args:
        folder: to make.
        fill: function that writes into an empty folder.

    Returns:
        Whether it was made.

    Raises:
        WriteError: as `whole_file`.
    """
    if folder.is_dir():
        return False
    with _partial_of(folder) as partial:
        with _filled(folder, partial):
            fill(partial)
        return _move(partial, folder)


@contextmanager
def as_write_error(path: Path, numbers: Container[int] | None = None) -> Iterator[None]:
    """Turn an error of the disk, or one that it led to, into a `WriteError`.

    Args:
        path: that is written.
        numbers: of the errors to turn; None: all.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        number = _disk_error(error)
        if number is None or (numbers is not None and number not in numbers):
            raise
        raise WriteError(
            f"{path}: cannot be written: {os.strerror(number).lower()}; make room or take another "
            "folder, then run again"
        ) from error


def _disk_error(error: BaseException | None) -> int | None:
    """Return the number of the error of the disk that an error is, tells of or was led to by.

    Python, safetensors, h5py and `shutil.copytree` tell of it in their text, h5py's later errors
    not at all.
    """
    while error is not None:
        if told := _NUMBER.search(str(error)):
            return int(told[1])
        error = error.__context__
    return None


def _move(partial: Path, folder: Path) -> bool:
    """Give a folder its name; return False if another process has made it meanwhile."""
    with as_write_error(folder):
        try:
            partial.replace(folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        _flush(folder.parent)
    return True


@contextmanager
def _filled(path: Path, partial: Path) -> Iterator[None]:
    """Make the folder that the block fills, then put what is in it on the disk."""
    with as_write_error(path):
        partial.mkdir()
    with as_write_error(path, _DISK_ERRORS):
        yield
    with as_write_error(path):
        for entry in (partial, *partial.rglob("*")):
            _flush(entry)


@contextmanager
def _partial_of(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` that is this writer's alone; nothing is there at the end.

    It is `.NAME.*.partial`, and the writer holds a lock on `.NAME.*.lock`. Where nobody holds the
    lock the writer was killed, and the next writer of the same path removes both.
    """
    partial = path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL}")
    with as_write_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*{LOCK}"):
            remove_partial_of_the_killed(left)
        lock = os.open(partial.with_suffix(LOCK), os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield partial
    finally:
        _remove(partial)
        partial.with_suffix(LOCK).unlink(missing_ok=True)
        os.close(lock)


def remove_partial_of_the_killed(lock: Path) -> bool:
    """Remove a lock and what it stands for unless their writer is alive; return whether it did.

    Args:
        lock: a file `.NAME.*.lock`.
    """
    try:
        held = os.open(lock, os.O_RDWR)
    except FileNotFoundError:  # its writer has just finished
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(lock.with_suffix(PARTIAL))
        lock.unlink(missing_ok=True)
    except BlockingIOError:  # its writer is alive
        return False
    finally:
        os.close(held)
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
