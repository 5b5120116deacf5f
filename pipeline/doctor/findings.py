"""Findings of the doctor: ok, a warning, or missing, with a remedy."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's output.

    Attributes:
        level: severity; only `missing` makes the doctor fail.
        what: what was checked, and its state.
        remedy: what to do; empty if nothing.
    """

    level: Level
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level.value:8} {self.what}"
        return f"{line}\n{'':9}-> {self.remedy}" if self.remedy else line


def ok(what: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(Level.OK, what)


def warning(what: str, remedy: str) -> Finding:
    """Return a problem with which `dvc repro` works all the same."""
    return Finding(Level.WARNING, what, remedy)


def missing(what: str, remedy: str) -> Finding:
    """Return a problem with which `dvc repro` fails."""
    return Finding(Level.MISSING, what, remedy)
