"""The errors a person can mend: they reach the terminal as one line, without a traceback."""

from models.given_files.foreign_values import MOST_CHARACTERS, printable


class InputError(ValueError):
    """Something given to the project is wrong; the message says what, where, and the remedy."""

    def __init__(self, message: str) -> None:
        """Keep a message that a terminal can show, whatever a file put into it."""
        super().__init__(printable(message, MOST_CHARACTERS))
