"""What a check finds: all right, worth knowing, or missing, with a remedy."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes:
        level: `missing` alone makes it fail.
        what: what was looked at, and what it is.
        remedy: what to do; empty where nothing is to be done.
    """

    level: Level
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        told = f"{self.level.value:8} {self.what}"
        return f"{told}\n{'':9}-> {self.remedy}" if self.remedy else told


def ok(what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Level.OK, what)


def warning(what: str, remedy: str) -> Finding:
    """Return something that a person should know."""
    return Finding(Level.WARNING, what, remedy)


def missing(what: str, remedy: str) -> Finding:
    """Return something without which `dvc repro` fails."""
    return Finding(Level.MISSING, what, remedy)
