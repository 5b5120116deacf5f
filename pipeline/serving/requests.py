"""Which phrases are looked for in which pictures: files, folders, or JSON lines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.given_files.impostors import cause_of
from models.given_files.json_files import parse_json
from models.given_files.text_files import given_files, read_lines
from pipeline.errors import InputError
from pipeline.serving.placed_phrases import Span, place_phrases
from pipeline.serving.rows import Request

LIST_SUFFIX = ".jsonl"
PICTURE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


def read_requests(
    given: Sequence[str], phrases: Sequence[str], sentence: str | None = None
) -> list[Request]:
    """Return what is asked, in order, without repeats.

    Args:
        given: pictures; folders, of which every picture is taken, also below; `.jsonl` files, a
            line of which is an object with `image` (a path from the file's folder) and `phrase`,
            perhaps with `sentence`, in which the phrase is sought unless `span` says where it is.
        phrases: to look for in every picture that no `.jsonl` file names.
        sentence: that these phrases are from, if any; one that it says twice has two places.

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
        placed = place_phrases(phrases, sentence)
        requests += [
            Request(str(image), one.phrase, one.sentence, one.span)
            for image in pictures
            for one in placed
        ]
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


def _of_list(path: Path) -> list[Request]:
    try:
        lines = read_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {cause_of(path, error)}") from error
    numbered = enumerate(lines, start=1)
    return _placed([_request(line, path, number) for number, line in numbered if line.strip()])


def _placed(requests: Sequence[Request]) -> list[Request]:
    """Return requests with the places of their phrases, where no place is given."""
    placed = list(requests)
    together: dict[tuple[str, str], list[int]] = {}
    for index, request in enumerate(requests):
        if request.sentence is not None and request.span is None:
            together.setdefault((request.image, request.sentence), []).append(index)
    for (_, sentence), indices in together.items():
        found = place_phrases([requests[index].phrase for index in indices], sentence)
        for index, one in zip(indices, found, strict=True):
            placed[index] = replace(requests[index], span=one.span)
    return placed


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
    return Request(str(path.parent / image), phrase, *_place(values, f"{path}:{number}"))


def _place(values: Mapping[str, Any], where: str) -> tuple[str | None, Span | None]:
    """Return sentence and span of a line, if it has them; a span is nothing without a sentence."""
    sentence, span = values.get("sentence"), values.get("span")
    if sentence is not None and not isinstance(sentence, str):
        raise InputError(f"{where}: sentence must be a text")
    if span is not None and not (
        isinstance(span, list) and len(span) == 2 and all(type(number) is int for number in span)
    ):
        raise InputError(f"{where}: span must be two whole numbers")
    return sentence, (span[0], span[1]) if span and sentence is not None else None
