"""What values a parameter may have, written beside its type: `Annotated[float, Range(0, 1)]`.

Whoever reads parameters asks `value in bound` and prints the bound; a class that is built directly
checks nothing. Plain numbers: read without importing torch.
"""

import math
import re
from collections.abc import Sized
from dataclasses import dataclass
from typing import Annotated

LARGEST = 2**31 - 1  # of a count: more than any index of an array of ours holds
LARGEST_FLOAT = 1e9  # products of such numbers are still float32


@dataclass(frozen=True)
class Range:
    """The finite numbers between two.

    Attributes:
        low: the lowest one; itself left out if `above_low`.
        high: the highest one; itself left out if `below_high`.
        above_low: see `low`.
        below_high: see `high`.
        step: of whole numbers, only its multiples.
    """

    low: float = -math.inf
    high: float = math.inf
    above_low: bool = False
    below_high: bool = False
    step: int = 1

    def __contains__(self, value: float) -> bool:
        is_high_enough = value > self.low if self.above_low else value >= self.low
        is_low_enough = value < self.high if self.below_high else value <= self.high
        is_multiple = self.step == 1 or value % self.step == 0
        return math.isfinite(value) and is_high_enough and is_low_enough and is_multiple

    def __str__(self) -> str:
        kind = f"a multiple of {self.step}" if self.step > 1 else "a number"
        words = [kind]
        if self.low > -math.inf:
            words.append(f"{'above' if self.above_low else 'from'} {self.low}")
        if self.high < math.inf:
            words.append(f"{'below' if self.below_high else 'to'} {self.high}")
        return " ".join(words)


@dataclass(frozen=True)
class Length:
    """The texts and lists of at least `low` and at most `high` letters or members."""

    low: int
    high: int = LARGEST

    def __contains__(self, value: Sized) -> bool:
        return self.low <= len(value) <= self.high

    def __str__(self) -> str:
        most = "or more" if self.high == LARGEST else f"to {self.high}"
        return f"of length {self.low}" + ("" if self.low == self.high else f" {most}")


@dataclass(frozen=True)
class Pattern:
    """The texts that a regular expression describes from their first to their last letter.

    Attributes:
        expression: of `re`.
        rule: the same in words.
    """

    expression: str
    rule: str

    def __contains__(self, value: str) -> bool:
        return re.fullmatch(self.expression, value) is not None

    def __str__(self) -> str:
        return self.rule


PositiveInt = Annotated[int, Range(1, LARGEST)]
NonNegativeInt = Annotated[int, Range(0, LARGEST)]
PositiveFloat = Annotated[float, Range(0, LARGEST_FLOAT, above_low=True)]
NonNegativeFloat = Annotated[float, Range(0, LARGEST_FLOAT)]
FiniteFloat = Annotated[float, Range(-LARGEST_FLOAT, LARGEST_FLOAT)]
Share = Annotated[float, Range(0, 1)]
PositiveShare = Annotated[float, Range(0, 1, above_low=True)]
ShareBelowOne = Annotated[float, Range(0, 1, below_high=True)]
Pixels = Annotated[int, Range(32, 8192)]  # the side of a picture: a cell of the coarsest maps
Seed = Annotated[int, Range(0, 2**32 - 1)]  # of NumPy
Text = Annotated[str, Length(1)]
