"""Images by the names that extractors of boxes give them.

A name may be an image's id, its file with or without folder and suffix, or end in its number
(`139` for `COCO_val2014_000000000139.jpg`). A name that is wrong in any part that it has, or that
fits several files, finds nothing.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from pipeline.datasets.proposals.bottom_up_files import BadRowError
from pipeline.records import ImageRecord

_NUMBER = re.compile(r"(?:^|[_\-])0*(\d+)$")
_COCO = re.compile(r"coco_(train|val|test)\d{4}")  # before a number: COCO's are unique
_SUFFIXES = {suffix: suffix for suffix in (".png", ".gif", ".bmp", ".webp", ".tif")} | {
    ".jpg": ".jpg",
    ".jpeg": ".jpg",
    ".tiff": ".tif",
}


class AmbiguousNameError(BadRowError):
    """A name fits several images; the message names two of them."""


class ImagePlaces:
    """Indices of the images in the image table, by name."""

    def __init__(self, images: Sequence[ImageRecord]) -> None:
        self._rows: dict[str, list[int]] = {}  # of each file
        self._exact: dict[str, set[str]] = {}
        self._by_stem: dict[str, set[str]] = {}
        self._by_number: dict[str, set[tuple[str, str]]] = {}  # prefix and file
        for index, image in enumerate(images):
            self._rows.setdefault(image.file, []).append(index)
            stem = _split(image.file)[1]
            for name in (image.image_id, image.file, _without_suffix(image.file)):
                self._exact.setdefault(name, set()).add(image.file)
            for name in {stem, image.image_id}:
                self._by_stem.setdefault(name, set()).add(image.file)
                prefix, number = _split_number(name)
                if number:
                    self._by_number.setdefault(number, set()).add((prefix, image.file))

    def of(self, name: str) -> tuple[int, ...]:
        """Return the indices of all images of the file that a name fits; none if it fits none.

        Raises:
            AmbiguousNameError: it fits several files.
        """
        stem = _split(name)[1]
        prefix, number = _split_number(stem)
        numbered = self._by_number.get(number, set()) if number else set()
        candidates: tuple[Iterable[str], ...] = (
            self._exact.get(name, set()),
            {file for file in self._by_stem.get(stem, set()) if _may_be(name, file)},
            {
                file
                for other, file in numbered
                if _prefixes_fit(prefix, other) and _may_be(name, file)
            },
        )
        files = sorted(next(filter(None, candidates), ()))
        if len(files) > 1:
            raise AmbiguousNameError(f"{name}: fits {files[0]} and {files[1]}")
        return tuple(self._rows[files[0]]) if files else ()


def _split(name: str) -> tuple[tuple[str, ...], str, str]:
    """Return folders, name without the suffix of a picture, and that suffix, maybe empty."""
    path = PurePosixPath(name)
    suffix = _suffix(path)
    return path.parent.parts, path.stem if suffix else path.name, suffix


def _suffix(path: PurePosixPath) -> str:
    return _SUFFIXES.get(path.suffix.lower(), "")


def _without_suffix(file: str) -> str:
    path = PurePosixPath(file)
    return path.with_suffix("").as_posix() if _suffix(path) else file


def _may_be(name: str, file: str) -> bool:
    """Return whether folders and suffix of a name, where it has some, fit those of a file."""
    folders, _, suffix = _split(name)
    own_folders, _, own_suffix = _split(file)
    common = min(len(folders), len(own_folders))
    same_folders = common == 0 or folders[-common:] == own_folders[-common:]
    return same_folders and (not suffix or suffix == own_suffix)


def _split_number(name: str) -> tuple[str, str]:
    """Return what stands before the number at the end of a name, and it without leading zeros."""
    match = _NUMBER.search(name)
    return (name[: match.start()].lower(), match[1]) if match else ("", "")


def _prefixes_fit(one: str, other: str) -> bool:
    both_of_coco = _COCO.fullmatch(one) and _COCO.fullmatch(other)
    return one == other or not one or not other or bool(both_of_coco)
