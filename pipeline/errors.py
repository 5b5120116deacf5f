"""The errors a person can mend: they reach the terminal as one line, without a traceback."""


class InputError(ValueError):
    """Something given to the project is wrong; the message says what, where, and the remedy."""
