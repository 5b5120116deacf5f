"""Check weights that a person put on disk: the right bytes, in the right place."""

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.weight_sections import WeightFiles

_PAGE = "a web page, as a browser saves in place of the file"
_IMPOSTORS = {
    b"<!doctype": _PAGE,
    b"<html": _PAGE,
    b"<?xml": _PAGE,
    b'{"': "a JSON text, such as a server's error message",
    b"version https://git-lfs": "a git-lfs pointer; run `git lfs pull` where it came from",
}
STANZA_FILES = ("resources.json", "en/*/*.pt")
_BERT_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_BERT_FILES = ("config.json", "*token*.json", "vocab.txt")


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


def check_sources(section: WeightFiles, key: str) -> dict[str, Origin]:
    """Return where each part comes from, once all of them are there and are what they should be.

    Args:
        section: `weights.<dataset>` of params.yaml.
        key: its dotted name, for messages.

    Raises:
        InputError: see `check_file` and `check_folder`.
    """
    detector, classifier = section.detector, section.classifier
    tagger, language = section.tagger, section.language
    hashes = {
        "detector": check_file(Path(detector.path), detector.sha256, f"{key}.detector"),
        "classifier": check_file(Path(classifier.path), classifier.sha256, f"{key}.classifier"),
        "tagger": _check_tagger(Path(tagger.path), tagger.package, f"{key}.tagger"),
    }
    if language.path:
        hashes["language"] = _check_language(Path(language.path), f"{key}.language")
    parts = {name: getattr(section, name) for name in hashes}
    return {
        name: Origin(Path(part.path).resolve().name, hashes[name], part.training_set, part.licence)
        for name, part in parts.items()
    }


def language_files(folder: Path) -> tuple[str, ...]:
    """Return the patterns of the files that a transformers BERT is loaded from."""
    weights = next((name for name in _BERT_WEIGHTS if (folder / name).is_file()), _BERT_WEIGHTS[0])
    return (*_BERT_FILES, weights)


def _check_tagger(path: Path, package: str, key: str) -> str:
    check_folder(path, ("resources.json", f"en/pos/{package}.pt"), key)
    for file in files_of(path, STANZA_FILES[1:]):
        check_file(file, "", key)
    return files_sha256(path, STANZA_FILES)


def _check_language(path: Path, key: str) -> str:
    check_folder(path, ("config.json",), key)
    patterns = language_files(path)
    check_file(path / patterns[-1], "", key)
    return files_sha256(path, patterns)


def check_file(path: Path, sha256: str, key: str) -> str:
    """Return a weight file's sha256, 64 hexadecimal digits, if it may be used.

    Args:
        path: the file.
        sha256: what it must be; empty: anything.
        key: the section of params.yaml that names the file, for messages.

    Raises:
        InputError: the file is missing, empty, something else than weights, or another file.
    """
    if not path.is_file():
        raise InputError(f"{key}.path: {path} does not exist; put the file there or change the key")
    with path.open("rb") as stream:
        start = stream.read(64).lstrip().lower()
        stream.seek(0)
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if not start:
        raise InputError(f"{key}.path: {path} is empty; put the whole file there")
    for beginning, what in _IMPOSTORS.items():
        if start.startswith(beginning):
            raise InputError(f"{key}.path: {path} is {what}; put the weight file there")
    if sha256 and found != sha256.lower():
        raise InputError(
            f"{key}.sha256: {path} has sha256 {found}, expected {sha256}; it is another version or "
            "was not downloaded to its end: put the right file there or change the key"
        )
    return found


def check_folder(path: Path, needed: Iterable[str], key: str) -> None:
    """Refuse a folder in which a file is missing or empty.

    Raises:
        InputError: names the first such file.
    """
    if not path.is_dir():
        raise InputError(f"{key}.path: the folder {path} does not exist; put it there")
    for name in needed:
        if not (path / name).is_file() or not (path / name).stat().st_size:
            raise InputError(f"{key}.path: {path / name} is missing or empty; copy it there")


def files_of(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files below a folder that match one of the patterns, sorted."""
    found = {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()}
    return sorted(found)


def files_sha256(folder: Path, patterns: Iterable[str]) -> str:
    """Return a hash of the names and bytes of those files, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files_of(folder, patterns):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{content}  {file.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def copy_files(source: Path, target: Path, patterns: Iterable[str]) -> None:
    """Copy those files of a folder, with the folders they lie in."""
    for file in files_of(source, patterns):
        to = target / file.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)
