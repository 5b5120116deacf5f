"""What is fuzzed: a reader with a small set of good files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.fuzz_watch import Outcome

TARGET = ".target"  # a file in the folder: path of the damaged one


def damaged_file(folder: Path, usual: str) -> Path:
    """Return the damaged file of a folder, or the usual one where none is damaged."""
    note = folder / TARGET
    return Path(note.read_text()) if note.is_file() else folder / usual


@dataclass(frozen=True)
class Reader:
    """A reader and its good files.

    Attributes:
        write: writes good files into an empty folder.
        read: reads them, in that folder, which is the working directory.
        targets: globs of the files to damage.
        weight: share of the cases among all readers.
        is_closed: a link that leads out of the folder must be refused.
        is_named: an error of ours must name the damaged file or its folder.
    """

    write: Callable[[Path], None]
    read: Callable[[Path], Outcome]
    targets: tuple[str, ...]
    weight: int
    is_closed: bool = False
    is_named: bool = True
