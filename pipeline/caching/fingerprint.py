"""Fingerprint of a cache: one hash of parameters, code and input files."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.caching.cache import CACHE_SUFFIX, read_provenance
from pipeline.caching.import_closure import import_closure
from pipeline.errors import InputError


def fingerprint(stage_file: Path, section: object, upstream: Sequence[Path]) -> str:
    """Return the hash of all that a stage's output depends on, 64 hexadecimal digits.

    Args:
        stage_file: the stage's source, `Path(__file__)` there.
        section: its parameters: dataclasses, mappings, sequences of them and plain values.
        upstream: the files and folders it reads, in a fixed order. A cache is represented by its
            own fingerprint, any other file by its bytes, a folder by the names and bytes below it.

    Raises:
        InputError: an upstream file is missing (`CacheError`: or is a damaged cache).
    """
    root = stage_file.resolve().parent.parent
    parts = [json.dumps(section, sort_keys=True, default=_as_plain)]
    parts += [f"{file.as_posix()} {_hash(root / file)}" for file in import_closure(stage_file)]
    text = json.dumps([parts, [list(_upstream_parts(path)) for path in upstream]])
    return hashlib.sha256(text.encode()).hexdigest()


def _as_plain(section: Any) -> dict[str, Any]:
    """Return a dataclass as a mapping with its class name, which JSON can hold."""
    return {type(section).__name__: asdict(section)}


def _upstream_parts(path: Path) -> Iterator[str]:
    """Yield the hashed texts of one file or folder, independent of its path."""
    if path.suffix == CACHE_SUFFIX:
        yield read_provenance(path).fingerprint
    elif path.is_dir():
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            yield f"{file.relative_to(path).as_posix()} {_hash(file)}"
    elif path.is_file():
        yield _hash(path)
    else:
        raise InputError(f"{path}: does not exist; `dvc repro` makes it")


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
