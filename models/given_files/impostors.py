"""Recognise files that are not what their names say: empty, zeros, a web page, a git-lfs pointer.

Every reader of a file from outside uses it: a reader of text or tables before it reads, any other
where its decoder fails.
"""

import re
import zipfile
from pathlib import Path

from models.given_files.foreign_values import printable
from models.given_files.text_files import check_regular

_START_BYTES = 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PAGE = "a web page, as a browser saves in place of the file"
_MESSAGE = "a server's error message"
_POINTERS = {
    b"version https://git-lfs": "a git-lfs pointer; run `git lfs pull` where it came from",
    b"version https://hawser": "a git-lfs pointer; run `git lfs pull` where it came from",
    b"/annex/objects/": "a git-annex pointer; run `git annex get` where it came from",
    b"404: not found": _MESSAGE,
    b"entry not found": _MESSAGE,
    b"access denied": _MESSAGE,
}
_HTML = re.compile(
    rb"(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|(html|head|body|title|meta|h1)\b)",
    re.S,
)
_JSON = re.compile(rb'[{\[]\s*"')
_MAY_BE_JSON = (".json", ".jsonl", ".yaml", ".yml")
_MAY_BE_XML = (".xml",)
_COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*m")


def impostor_of(path: Path) -> str:
    """Return what a file is instead of data, as an end of "it is ..."; empty if it may be data.

    The first kilobyte decides. JSON and XML are data in files of their suffixes alone.

    Raises:
        OSError: the file cannot be read.
    """
    check_regular(path)
    with path.open("rb") as stream:
        return impostor_in(stream.read(_START_BYTES), path.suffix.lower())


def check_stored(path: Path) -> None:
    """Refuse an archive whose members are packed, which torch never writes: they could be a bomb.

    Raises:
        ValueError: one is, or they hold more than the archive, or it is of TorchScript; others of
            `zipfile`: it is broken.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise ValueError(
            "it is a TorchScript archive, which holds code; save its state dict instead"
        )
    is_packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if is_packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("its parts are packed, or larger than the file")


def impostor_in(start: bytes, suffix: str) -> str:
    """Return as `impostor_of` what a file is that begins so; `suffix` is one such as `.pth`."""
    if not start.strip(b"\0"):
        return "full of zeros, as an unfinished copy leaves it" if start else "empty"
    text = start.removeprefix(_BYTE_ORDER_MARK).lstrip().lower()
    if not text:
        return "empty but for blanks"
    pointer = next((what for begin, what in _POINTERS.items() if text.startswith(begin)), "")
    if pointer or _HTML.match(text):
        return pointer or _PAGE
    if text.startswith((b"<?xml", b"<error")) and suffix not in _MAY_BE_XML:
        return "an XML text, such as " + _MESSAGE
    is_json = _JSON.match(text) and suffix not in _MAY_BE_JSON
    return "a JSON text, such as " + _MESSAGE if is_json else ""


def cause_of(path: Path, error: Exception) -> str:
    """Return why a file could not be read, on one line: what it is instead of data, or the error.

    Args:
        path: the file.
        error: raised by its decoder.
    """
    try:
        what = impostor_of(path)
    except OSError:
        what = ""
    return f"it is {what}" if what else one_line(error)


def one_line(error: Exception, most: int = 300) -> str:
    """Return the text of an error on one line, without colour codes, at most `most` characters.

    Half of a character, which no terminal shows, is written as in JSON.
    """
    text = " ".join(_COLOUR_CODE.sub("", str(error)).split())
    if not any(map(str.isalpha, text)):  # of a KeyError, the key alone
        text = " ".join([type(error).__name__, text]).rstrip()
    return printable(text, most)
