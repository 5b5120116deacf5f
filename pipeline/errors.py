"""The errors a person can mend: they reach the terminal as one line, without a traceback."""

from models.given_files.foreign_values import ShownError


class InputError(ShownError):
    """Something given to the project is wrong; the message says what, where, and the remedy."""
