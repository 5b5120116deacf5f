"""Finding and reading the files of a data set, with errors that name the file."""

import filecmp
import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from models.given_files.foreign_values import short_text
from models.given_files.impostors import cause_of, impostor_of
from models.given_files.json_files import parse_json
from models.given_files.text_files import read_text
from pipeline.errors import InputError


def find_file(root: Path, names: Sequence[str], key: str) -> Path:
    """Return the first of some files below a root, or the root if it is such a file itself.

    Args:
        root: folder of the data set.
        names: paths below it, the most usual first.
        key: key of params.yaml that names the root, for messages.

    Raises:
        InputError: there is none, or it is a link that leads out of the root.
    """
    if root.is_file() and any(root.name == Path(name).name for name in names):
        return root
    for name in names:
        if (root / name).is_file():
            check_inside(root, root / name)
            return root / name
    if not root.exists():
        raise InputError(f"{root}: no such folder; set {key} to where the data set lies")
    raise InputError(f"{root}: holds none of {', '.join(names)}; {key} must name their folder")


def leads_out(folder: Path, path: Path) -> bool:
    """Return whether a path lies outside of a folder, once links in both are followed."""
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath((real, root)) != root


def check_inside(folder: Path, path: Path) -> None:
    """Refuse a file of a data set that lies elsewhere: who gave the data could name any file.

    Raises:
        InputError: `path` lies outside of the folder, once links are followed.
    """
    if leads_out(folder, path):
        raise InputError(
            f"{path}: is a link that leads out of {folder}; put the file itself there, or name the "
            "folder that holds it"
        )


JsonObject = Callable[[list[tuple[str, Any]]], dict[str, Any]]


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the mapping of a JSON object; it is for `json.loads(object_pairs_hook=...)`.

    Raises:
        ValueError: a key occurs twice, where Python would keep the last in silence.
    """
    values = dict(pairs)
    if len(values) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {short_text(twice)} occurs twice in one object")
    return values


def read_json(
    path: Path,
    keep: Callable[[dict[str, Any]], Any] | None = None,
    build: JsonObject = unique_keys,
) -> Any:
    """Return the content of a JSON file.

    Args:
        path: the file, UTF-8.
        keep: function applied to each object as soon as it is read; None: no change.
        build: function that makes a mapping of the keys and values of each object.

    Raises:
        InputError: the file cannot be read or is not JSON, or `build` raises a ValueError.
    """

    def make_value(pairs: list[tuple[str, Any]]) -> Any:
        return build(pairs) if keep is None else keep(build(pairs))

    try:
        check_inside(path.parent, path)
        return parse_json(read_text(path), make_value)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except InputError:
        raise
    except ValueError as error:  # also of a number with thousands of digits
        cause = cause_of(path, error)
        raise InputError(f"{path}: is not JSON: {cause}; fetch or convert it again") from error


def check_file(path: Path) -> None:
    """Refuse a file that is not what its name says: a reader of text would take it as it is.

    Raises:
        InputError: it is empty, full of zeros, a web page or a pointer, or cannot be read.
    """
    try:
        what = impostor_of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if what:
        raise InputError(f"{path}: is {what}; put the file itself there")


COCO_2014 = "COCO_train2014_"  # prefix of the file names of 2014; those of 2017 have none
_NAME_OF_2014 = re.compile(rf"{COCO_2014}(\d{{12}}\.jpg)")
_IMAGES = "images"  # the folder of the photographs beside others of SAIAPR TC-12


class PictureNameError(InputError):
    """A name of a picture that cannot be used.

    Attributes:
        cause: the same text for every case; the message names the files.
    """

    cause = ""


class AmbiguousPictureError(PictureNameError):
    """A name of a picture fits several files; the message names them."""

    cause = "the name of the image fits several files"


class OutsidePictureError(PictureNameError):
    """A name of a picture leads out of its folder, by itself or by a link; the message names it."""

    cause = "the image lies outside of its folder"


class PictureFinder:
    """Finds the files of pictures below one folder.

    A name without a folder may lie in the folder itself or in a folder below it, as SAIAPR TC-12
    keeps them (`00/images/25.jpg`); a name with a folder lies there and nowhere else. A picture of
    COCO may bear its name of 2014 or of 2017.
    """

    def __init__(self, folder: Path) -> None:
        """Check that the folder is there.

        Raises:
            InputError: it is not.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; `images` in params.yaml must name it")
        self.folder = folder

    def find(self, name: str) -> str:
        """Return the path of a picture below the folder; `name` itself if there is none.

        Raises:
            AmbiguousPictureError: folders below hold several files of that name that differ, none
                or several of them in a folder `images`.
            OutsidePictureError: the name or a link leads out of the folder.
        """
        path = PurePosixPath(name)
        candidates = [path]
        if match := _NAME_OF_2014.fullmatch(path.name):
            candidates.append(path.with_name(match[1]))
        for candidate in candidates:
            if leads_out(self.folder, self.folder / candidate):
                raise OutsidePictureError(
                    f"{self.folder / candidate}: lies outside of {self.folder}; put the picture "
                    "itself there, or let `images` name the folder that holds it"
                )
            if (self.folder / candidate).is_file():
                return name if candidate is path else candidate.as_posix()
            if len(candidate.parts) == 1 and candidate.name in self._paths_by_name:
                return self._only_one(self._paths_by_name[candidate.name])
        return name

    def _only_one(self, paths: Sequence[str]) -> str:
        preferred = [path for path in paths if PurePosixPath(path).parent.name == _IMAGES] or paths
        first = self.folder / preferred[0]
        if all(filecmp.cmp(first, self.folder / path, shallow=False) for path in preferred[1:]):
            return preferred[0]
        raise AmbiguousPictureError(
            f"{self.folder}: {preferred[0]} and {preferred[1]} have one name and differ; name the "
            "picture with its folder, or keep one of them"
        )

    @cached_property
    def _paths_by_name(self) -> dict[str, list[str]]:
        paths: dict[str, list[str]] = {}
        for parent, folders, files in os.walk(self.folder):
            folders.sort()
            below = Path(parent).relative_to(self.folder)
            for file in files:
                path = Path(parent) / file
                if path.is_symlink() and leads_out(self.folder, path):
                    continue
                paths.setdefault(file, []).append((below / file).as_posix())
        return paths
