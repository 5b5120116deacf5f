"""Where weights come from, and whether those on disk have the right bytes in the right place."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.given_files.impostors import impostor_of
from models.given_files.stanza_folder import check_stanza_folder
from models.given_files.transformers_folder import (
    FolderError,
    ModelType,
    check_folder,
    weight_files,
)
from pipeline.errors import InputError
from pipeline.params.weights import (
    TIMM_PREFIX,
    ClassifierFile,
    DetectorFile,
    TaggerFolder,
    TransformersFolder,
    WeightFiles,
    WeightPart,
    WordNetFolder,
)

_HASH_IN_NAME = re.compile(r"-(?=\d*[a-f])([0-9a-f]{8})\.pth$")  # as torch's hubs name files
STANZA_FILES = ("resources.json", "en/*/*.pt")
TRANSFORMERS_FILES = ("*config.json", "*token*.json", "vocab.*", "merges.txt")
WORDNET_FILES = ("data.noun", "index.noun")
MODEL_TYPES: Mapping[str, ModelType] = {"language": "bert", "clip": "clip"}  # by name of a part


def parts_of(section: WeightFiles) -> dict[str, WeightPart]:
    """Return the parts that are asked for, by name."""
    parts: dict[str, WeightPart] = {
        "detector": section.detector,
        "classifier": section.classifier,
        "tagger": section.tagger,
    }
    extra: dict[str, WeightPart] = {
        "language": section.language,
        "wordnet": section.wordnet,
        "clip": section.clip,
    }
    return parts | {name: part for name, part in extra.items() if part.path or hub_of(part)[1]}


def hub_of(part: WeightPart) -> tuple[str, str]:
    """Return the hub that publishes a part, and the part's name there; `none` where none does."""
    match part:
        case DetectorFile(format="mmdet"):
            return "mmdet", part.config
        case DetectorFile():
            return "none", part.format
        case ClassifierFile():
            return "timm" if part.arch.startswith(TIMM_PREFIX) else "torchvision", part.hub
        case TaggerFolder():
            return "stanza", part.package
        case WordNetFolder():
            return "none", ""
    return "transformers", part.hub


@dataclass(frozen=True)
class Origin:
    """What the manifest says of one part.

    Attributes:
        source: the file's or folder's name, or `embedded`.
        sha256: of the file, or of names and bytes of the folder.
        training_set: what it was trained on.
        licence: of the weights.
    """

    source: str
    sha256: str
    training_set: str
    licence: str


def check_source(part: WeightPart, path: Path, key: str) -> Origin:
    """Return where a part comes from, once its files are there and are what they should be.

    Args:
        part: its section of params.yaml; its sha256 is what the file's hash must begin with, and
            if it is empty, what the file's name says, if anything.
        path: the file or folder, wherever it came from.
        key: the section's dotted name, for messages.

    Raises:
        InputError: see `check_present`; or the bytes are others than expected.
    """
    check_present(part, path, key)
    if isinstance(part, DetectorFile | ClassifierFile):
        sha256 = _file_sha256(path)
        named = _HASH_IN_NAME.search(path.name)
        _check_sha256(path, sha256, part.sha256 or (named[1] if named else ""), key)
    else:
        sha256 = files_sha256(path, source_files(part, path))
        _check_sha256(path, sha256, part.sha256, key)
    return Origin(path.resolve().name, sha256, part.training_set, part.licence)


def check_present(part: WeightPart, path: Path, key: str) -> None:
    """Refuse a part whose files are missing, no weights, or do not belong together.

    Args:
        part: its section of params.yaml.
        path: the file or folder, wherever it came from.
        key: the section's dotted name; it ends in the part's.

    Raises:
        InputError: names the file and what to do.
    """
    if isinstance(part, DetectorFile | ClassifierFile):
        _check_file(path, f"{key}.path")
        if isinstance(part, DetectorFile) and part.format == "bottom_up_attention":
            _check_file(Path(part.vocabulary), f"{key}.vocabulary")
        return
    with _folder_errors(path, key):
        match part:
            case TaggerFolder():
                check_stanza_folder(path, part.package)
            case TransformersFolder():
                check_folder(path, MODEL_TYPES[key.rpartition(".")[2]])
            case WordNetFolder():
                for name in WORDNET_FILES:
                    _check_file(path / name, f"{key}.path")
        for file in files_of(path, source_files(part, path)):
            _check_file(file, f"{key}.path")


def source_files(part: WeightPart, folder: Path) -> tuple[str, ...]:
    """Return the patterns of the files of a folder that a part is made of."""
    match part:
        case TaggerFolder():
            return STANZA_FILES
        case WordNetFolder():
            return WORDNET_FILES
    return transformers_files(folder)


def transformers_files(folder: Path) -> tuple[str, ...]:
    """Return the patterns of what a transformers model is loaded from; its weights come last.

    Raises:
        FolderError: the index of weights in several files is broken.
    """
    return (*TRANSFORMERS_FILES, *weight_files(folder))


def _check_file(path: Path, key: str) -> None:
    """Refuse a file that is missing, empty, or begins as no weight file does."""
    if not path.is_file():
        raise InputError(f"{key}: {path} does not exist; put the file there or change the key")
    what = impostor_of(path)
    if what:
        raise InputError(f"{key}: {path} is {what}; put the whole file there")


def _check_sha256(path: Path, found: str, expected: str, key: str) -> None:
    """Refuse other bytes than expected; an expected hash may be its beginning alone."""
    if not found.startswith(expected.lower()):
        raise InputError(
            f"{key}.sha256: {path} has sha256 {found}, expected {expected}; it is another version "
            "or was not downloaded to its end: put the right file there or change the key"
        )


@contextmanager
def _folder_errors(path: Path, key: str) -> Iterator[None]:
    """Raise an `InputError` with a remedy for a folder that is missing or not whole."""
    if not path.is_dir():
        raise InputError(f"{key}.path: the folder {path} does not exist; put it there")
    try:
        yield
    except FolderError as error:
        raise InputError(
            f"{key}.path: {error}; copy the whole folder there, or name another"
        ) from error


def files_of(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files below a folder that match one of the patterns, sorted."""
    found = {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()}
    return sorted(found)


def files_sha256(folder: Path, patterns: Iterable[str]) -> str:
    """Return a hash of the names and bytes of those files, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files_of(folder, patterns):
        digest.update(f"{_file_sha256(file)}  {file.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
