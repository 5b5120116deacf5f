"""The curves of a training: one row per logged step, in a CSV file that survives a resumption.

Columns: `epoch` and `step` counted from 1, `learning_rate`, then whatever is measured, averaged
over the steps since the row before; `vision_gap` in the last row of each epoch.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.given_files.impostors import cause_of
from models.given_files.text_files import read_text
from pipeline.caching.atomic import whole_file
from pipeline.errors import InputError

GAP = "vision_gap"
Row = dict[str, str]


class CurveFile:
    """Averages what is measured at each step and writes the averages of finished epochs."""

    def __init__(self, path: Path, steps_per_row: int, finished_epochs: int) -> None:
        """Keep the rows that an earlier run wrote for the epochs it finished; forget later ones.

        Without any the file is begun, for a training of no epoch has one too.

        Raises:
            InputError: the file is damaged.
        """
        self._path = path
        self._steps_per_row = steps_per_row
        self._rows = [row for row in _read(path) if int(row["epoch"]) <= finished_epochs]
        self._pending: list[Mapping[str, float]] = []
        if not path.exists():
            self._write(["epoch", "step"])

    def add(self, epoch: int, step: int, measured: Mapping[str, float]) -> None:
        """Add the measurements of step `step` of epoch `epoch`; their names never change.

        Raises:
            InputError: rows of an earlier run measure something else.
        """
        self._pending.append(measured)
        if len(self._pending) == self._steps_per_row:
            self._average(epoch, step)

    def end_epoch(self, epoch: int, step: int, vision_gap: float) -> Row:
        """Close the epoch whose last step was `step`, write the file and return the last row."""
        if self._pending:
            self._average(epoch, step)
        self._rows[-1][GAP] = f"{vision_gap:.6g}"
        self._write([*self._rows[-1]])
        return self._rows[-1]

    def _write(self, columns: Sequence[str]) -> None:
        with whole_file(self._path) as partial, partial.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)

    def _average(self, epoch: int, step: int) -> None:
        row = {"epoch": str(epoch), "step": str(step)}
        for name in self._pending[0]:
            values = [measured[name] for measured in self._pending]
            row[name] = f"{sum(values) / len(values):.6g}"
        row[GAP] = ""
        if self._rows and set(self._rows[-1]) != set(row):
            raise InputError(f"{self._path}: has other columns than this training; remove it")
        self._rows.append(row)
        self._pending = []


def _read(path: Path) -> list[Row]:
    """Return the rows of the file, none if it is not there.

    Raises:
        InputError: it is not what was written, such as a row that is cut off.
    """
    if not path.exists():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
        for row in rows:
            int(row["epoch"]), int(row["step"])
            if None in row or None in row.values():
                raise ValueError("a row has another number of cells than the first line")
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise InputError(
            f"{path}: is no file of curves: {cause_of(path, error)}; remove it"
        ) from error
    return rows
