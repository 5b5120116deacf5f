"""Which phrases are looked for in which pictures: files, folders, or JSON lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from models.given_files.impostors import cause_of
from models.given_files.json_files import parse_json
from models.given_files.text_files import given_files, read_lines
from pipeline.errors import InputError
from pipeline.serving.rows import Request

LIST_SUFFIX = ".jsonl"
PICTURE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


def read_requests(given: Sequence[str], phrases: Sequence[str]) -> list[Request]:
    """Return what is asked, in order, without repeats.

    Args:
        given: pictures; folders, of which every picture is taken, also below; `.jsonl` files, a
            line of which is an object with `image` (a path from the file's folder) and `phrase`.
        phrases: to look for in every picture that no `.jsonl` file names.

    Raises:
        InputError: a folder holds no picture, a list cannot be read or a line is malformed, or
            there are pictures but no phrase.
    """
    requests: list[Request] = []
    for name in given:
        path = Path(name)
        if path.suffix == LIST_SUFFIX:
            requests += _of_list(path)
            continue
        if not phrases:
            raise InputError(f"{name}: no --phrase says what to look for in it")
        pictures = _of_folder(path) if path.is_dir() else [path]
        requests += [Request(str(image), phrase) for image in pictures for phrase in phrases]
    return list(dict.fromkeys(requests))


def _of_folder(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in given_files(folder, "**/*")
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )
    if not found:
        raise InputError(f"{folder}: holds no picture ({' '.join(sorted(PICTURE_SUFFIXES))})")
    return found


def _of_list(path: Path) -> Iterator[Request]:
    try:
        lines = read_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {cause_of(path, error)}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _request(line, path, number)


def _request(line: str, path: Path, number: int) -> Request:
    try:
        values = parse_json(line)
        image, phrase = values["image"], values["phrase"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f'{path}:{number}: is no object {{"image": ..., "phrase": ...}}: {error!r}'
        ) from error
    if not isinstance(image, str) or not isinstance(phrase, str):
        raise InputError(f"{path}:{number}: image and phrase must be texts")
    return Request(str(path.parent / image), phrase)
