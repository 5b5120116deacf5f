"""What a folder of stanza models must hold, checked without loading it."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from models.given_files.impostors import check_stored, impostor_of, one_line
from models.given_files.transformers_folder import FolderError, is_file_name, read_json

RESOURCES_FILE, LANGUAGE = "resources.json", "en"
PROCESSORS = ("tokenize", "mwt", "pos")  # the second is used where the folder names one


def check_stanza_folder(
    folder: Path, package: str, processors: Sequence[str] = PROCESSORS
) -> dict[str, str]:
    """Return the package of each processor in a folder that has the files of those asked for.

    Args:
        folder: of `stanza.Pipeline(dir=...)`.
        package: of the tagger, as resources.json names it.
        processors: those that must be there, with the models that they stand on.

    Raises:
        FolderError: a file is missing or is none of a model, or resources.json offers no such
            package; the message names it.
    """
    english = _mapping(read_json(folder / RESOURCES_FILE), LANGUAGE)
    packages = {**_mapping(english, "default_processors"), "pos": package}
    for name in processors:
        if name == "mwt" and name not in packages:
            continue
        offered = _mapping(english, name)
        if not isinstance(packages.get(name), str) or packages[name] not in offered:
            raise FolderError(
                f"{folder / RESOURCES_FILE} offers no `{name}` model {packages.get(name)!r}"
            )
        for below in _files(name, packages[name], offered):
            _check_model(folder / LANGUAGE / below)
    return packages


def _files(processor: str, package: str, offered: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files of a model and of those that it stands on, such as word vectors."""
    yield _file(processor, package)
    needs = _mapping(offered, package).get("dependencies") or []
    if not isinstance(needs, list) or not all(isinstance(needed, dict) for needed in needs):
        raise FolderError(f"{RESOURCES_FILE} names no list of models below {package!r}")
    for needed in needs:
        yield _file(str(needed.get("model")), str(needed.get("package")))


def _file(processor: str, package: str) -> str:
    if not is_file_name(processor) or not is_file_name(package):
        raise FolderError(f"{RESOURCES_FILE} names a model that is not in its folder: {package!r}")
    return f"{processor}/{package}.pt"


def _check_model(file: Path) -> None:
    if not file.is_file():
        raise FolderError(f"{file} is missing, which {RESOURCES_FILE} names")
    what = impostor_of(file)
    if what:
        raise FolderError(f"{file} is {what}")
    try:
        check_stored(file)
    except (OSError, ValueError, NotImplementedError, struct.error, BadZipFile) as error:
        raise FolderError(f"{file} is no whole weight file: {one_line(error)}") from error


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}
