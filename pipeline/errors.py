"""The errors a person can mend: they reach the terminal as one line, without a traceback."""


class InputError(ValueError):
    """Something given to the project is wrong; the message says what, where, and the remedy."""

    def __init__(self, message: str) -> None:
        """Keep a message; half characters in it, which no terminal can show, are escaped."""
        super().__init__(message.encode("utf-8", "backslashreplace").decode())
