"""A file of JSON lines that grows as pictures are answered, and goes on after a kill."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from models.given_files.foreign_values import short_text
from models.given_files.json_files import parse_json
from models.given_files.text_files import check_regular
from pipeline.errors import InputError
from pipeline.serving.rows import Kind, Request, Row, request_of, to_line

NO_ANSWER = "error"


class AnswerFile:
    """What stands in the file already, and a way to add lines.

    Attributes:
        done: the rows that are there, by request.
        is_standard_output: the lines are written there.
    """

    def __init__(
        self, stream: BinaryIO, done: Mapping[Request, Row], is_standard_output: bool
    ) -> None:
        self._stream = stream
        self.done = dict(done)
        self.is_standard_output = is_standard_output

    def add(self, rows: Mapping[Request, Row]) -> None:
        """Write the rows whose request has no line yet, and flush them."""
        fresh = {request: row for request, row in rows.items() if request not in self.done}
        self._stream.write(b"".join(map(to_line, fresh.values())))
        self._stream.flush()
        self.done |= fresh


@contextmanager
def open_answers(path: Path | None, kind: Kind) -> Iterator[AnswerFile]:
    """Open a file of answers to add to; a last line that was cut off by a kill is removed.

    Args:
        path: the file; None: standard output, in which nothing stands yet.
        kind: of its lines.

    Raises:
        InputError: the file holds something else, or cannot be written.
    """
    if path is None:
        yield AnswerFile(sys.stdout.buffer, {}, is_standard_output=True)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        check_regular(path)
        lines, num_bytes = _whole_lines(path)
        done = _rows_of(path, lines, kind)
        with path.open("r+b") as stream:
            stream.truncate(num_bytes)
            stream.seek(0, os.SEEK_END)
            yield AnswerFile(stream, done, is_standard_output=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _whole_lines(path: Path) -> tuple[list[bytes], int]:
    """Return the lines of a file that have an end, and how many bytes they take."""
    content = path.read_bytes()
    num_bytes = content.rfind(b"\n") + 1
    return content[:num_bytes].split(b"\n")[:-1], num_bytes


def _rows_of(path: Path, lines: Sequence[bytes], kind: Kind) -> dict[Request, Row]:
    """Return the rows by request.

    Raises:
        InputError: a line is no answer, or one of another kind.
    """
    rows: dict[Request, Row] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row: Any = parse_json(line)
            rows[request_of(row)] = row
            has_why = kind.with_why if NO_ANSWER in row else "candidates" in row
            own = Kind(row["model"], row["answer"], has_why)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{path}:{number}: is no line of `camground predict`; name another file"
            ) from error
        if own != kind:
            found = short_text(vars(own))
            raise InputError(f"{path}: holds lines of {found}, not of {kind}; name another file")
    return rows
