"""One row of the table: a ratio measured in several rounds, and the mark it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Mark:
    """What a ratio should reach.

    Attributes:
        limit: the ratio.
        at_least: whether the ratio must not be below the limit; else it must not be above it.
    """

    limit: float
    at_least: bool

    def is_met(self, ratio: float) -> bool:
        """Return whether a ratio reaches the mark; the limit itself does."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True)
class Row:
    """What was measured.

    Attributes:
        name: of the row, unique in the table.
        ours: what the project does.
        against: the peer or the limit.
        mark: of the ratio.
        ratios: one of each round. With a mark of `at_least` it is the peer's time over ours, else
            ours over the peer's.
        clock: what is compared: CPU time, wall time or memory.
        note: what a reader must know of the measurement.
        difference: largest difference between the outputs of both, where they should be equal.
    """

    name: str
    ours: str
    against: str
    mark: Mark
    ratios: tuple[float, ...]
    clock: str
    note: str = ""
    difference: float | None = None

    @property
    def middle(self) -> float:
        """The median of the rounds."""
        return median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """The least and the largest round.

        Of n independent rounds it holds the true median with a chance of 1 - 2 ** (1 - n), whatever
        the distribution: 0.94 of five rounds, 0.97 of six.
        """
        return min(self.ratios), max(self.ratios)

    @property
    def is_met(self) -> bool:
        """Whether the median reaches the mark."""
        return self.mark.is_met(self.middle)


def at_least(limit: float) -> Mark:
    """Return the mark of what should be so many times as fast as a peer."""
    return Mark(limit, at_least=True)


def at_most(limit: float) -> Mark:
    """Return the mark of what should cost at most so many times a limit."""
    return Mark(limit, at_least=False)


def ratios_of(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of each round.

    Args:
        above: one number of each round.
        below: the same, positive.
    """
    return tuple(more / less for more, less in zip(above, below, strict=True))
