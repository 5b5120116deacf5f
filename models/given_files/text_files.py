"""Text files that people give: UTF-8 with or without a byte order mark, lines as editors show them.

`str.splitlines` also splits at U+2028, U+0085, form feeds and separators, and Python's text mode at
a lone carriage return; all of them occur in captions.
"""

import errno
import stat
from collections.abc import Iterator
from pathlib import Path

_SIDE_FILE = "._"  # prefix of the AppleDouble files that a Mac leaves beside the real ones


def check_regular(path: Path) -> None:
    """Refuse a pipe, a socket or a device, which a reader would wait for or never see the end of.

    Raises:
        OSError: it is one, or there is nothing.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device", str(path))


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        OSError: the file cannot be read, or is a pipe, a socket or a device.
    """
    check_regular(path)
    return path.read_bytes()


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without a byte order mark, no character changed.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path).decode("utf-8-sig")


def split_lines(text: str) -> list[str]:
    r"""Return the lines of a text without their ends; `\n` and `\r\n` alone end a line."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file, see `read_text` and `split_lines`.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return split_lines(read_text(path))


def given_files(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what a glob finds in a folder, without the side files (`._name`) of a Mac."""
    return (path for path in folder.glob(pattern) if not path.name.startswith(_SIDE_FILE))
