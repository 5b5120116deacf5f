"""Texts and names in a data set that no file can hold: they are counted as bad, not written."""

_MOST_BYTES = 255  # of one part of a path, on the usual file systems


def text_problem(*texts: str | None) -> str | None:
    r"""Return the cause for which one of some texts is bad, or None.

    JSON (`"\ud800"`), pickles and file names can hold half of a character; UTF-8 cannot.
    """
    given = "".join(text or "" for text in texts)
    if "\x00" in given:
        return "a text holds a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in given):
        return "a text holds half of a character (a lone surrogate)"
    return None


def name_problem(name: str) -> str | None:
    """Return the cause for which no file can have this name, or None."""
    problem = text_problem(name)
    if problem:
        return problem
    too_long = any(len(part.encode()) > _MOST_BYTES for part in name.split("/"))
    return f"a file name has more than {_MOST_BYTES} bytes" if too_long else None
