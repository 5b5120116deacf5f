"""Values that others wrote: how many they hold, and their text in a message.

A pickle or a YAML file names a value again by a few bytes. Lists that hold one another ten times
each, ten levels deep, are 200 bytes in the file, and 10 ** 10 values to who goes through them.
"""

import reprlib
import sys
from typing import Any

MOST_CHARACTERS = 4_000  # of a message
MOST_VALUES = 10_000  # of a file that is smaller than so many bytes
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 120, 120


class ValueBudget:
    """Counts values as they are visited, and ends the visit of more than a file can hold."""

    def __init__(self, num_bytes: int) -> None:
        """Begin for a file of `num_bytes`: written out, a value takes one byte at least."""
        self._left = max(num_bytes, MOST_VALUES)

    def spend(self, count: int) -> None:
        """Count some more values.

        Raises:
            ValueError: they are too many.
        """
        self._left -= count
        if self._left < 0:
            raise ValueError("it names its own lists over and over: they hold too many values")


def is_finite_number(value: Any) -> bool:
    """Return whether a value is a number, no truth value, that a float can hold."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max


def printable(text: str, most: int | None = None) -> str:
    r"""Return a text that can be written and shown; half of a character is as in JSON, `\ud800`.

    Args:
        text: may hold texts of others, of any length.
        most: characters, behind which the rest is left out; None: none is.
    """
    whole = text.encode("utf-8", "backslashreplace").decode()
    return whole if most is None or len(whole) <= most else whole[:most] + " ..."


class ShownError(ValueError):
    """An error whose message a terminal can show, whatever a file put into it."""

    def __init__(self, message: str) -> None:
        """Keep a message: half characters escaped, cut behind `MOST_CHARACTERS`."""
        super().__init__(printable(message, MOST_CHARACTERS))


def short_text(value: Any) -> str:
    """Return a value as text of some hundred characters at most, for a message."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # a number of thousands of digits
        return f"a value of type {type(value).__name__} that is too long to show"
