"""What a folder of transformers must hold, checked without loading it.

transformers makes a tokenizer of special tokens alone where the vocabulary is missing, and random
weights where a file has none: neither ends in an error.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from models.given_files.foreign_values import ShownError
from models.given_files.impostors import impostor_of
from models.given_files.json_files import read_json_value
from models.given_files.text_files import read_text

ModelType = Literal["bert", "clip"]
CONFIG_FILE, TOKENIZER_FILE = "config.json", "tokenizer.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # the first that is there is loaded
MOST_ENTRIES = 2**24  # of a vocabulary
_INDEX = ".index.json"  # behind the name of weights that lie in several files
_UPPER_CASE = re.compile(r"[A-Z]")


class tokenizer_errors(AbstractContextManager[None]):  # noqa: N801 - as contextlib's own
    """Raise `FolderError` where tokenizers cannot read a file.

    The library raises `Exception` itself, and a panic that is none where it meets what it takes to
    be impossible: neither can be named in an `except`.
    """

    def __init__(self, folder: Path) -> None:
        """Begin for a folder, which the message names."""
        self._folder = folder

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Replace an error of the library."""
        if kind is not None and (kind is Exception or kind.__name__ == "PanicException"):
            raise FolderError(f"{self._folder} holds no tokenizer: {error}") from error


class FolderError(ShownError):
    """A folder of transformers is not whole; the message names the file."""


@dataclass(frozen=True)
class _Needs:
    """What a kind of model needs beside configuration and weights.

    Attributes:
        vocabulary: files that stand in for `tokenizer.json`.
        others: names of which one must be there.
        vocab_size: entries where config.json does not say.
    """

    vocabulary: tuple[str, ...]
    others: tuple[str, ...]
    vocab_size: int


_NEEDS: Mapping[str, _Needs] = {
    "bert": _Needs(("vocab.txt",), (), 30522),
    "clip": _Needs(
        ("vocab.json", "merges.txt"), ("preprocessor_config.json", "processor_config.json"), 49408
    ),
}


def check_folder(folder: Path, kind: ModelType) -> None:
    """Refuse a folder that lacks a file, or whose vocabulary is not as large as its model says.

    Raises:
        FolderError: names the file.
    """
    config = read_json(folder / CONFIG_FILE)
    model_type = config.get("model_type", kind)
    if model_type != kind:
        raise FolderError(f"{folder / CONFIG_FILE} is of a {model_type}, not of a {kind}")
    for name in weight_files(folder):
        _check_file(folder / name)
    needs = _NEEDS[kind]
    if needs.others and not any((folder / name).is_file() for name in needs.others):
        raise FolderError(f"{folder / needs.others[0]} is missing")
    text = config.get("text_config") or {} if kind == "clip" else config
    if not isinstance(text, dict):
        raise FolderError(f"{folder / CONFIG_FILE} has a `text_config` that is no object")
    check_vocabulary(folder, kind, text.get("vocab_size", needs.vocab_size))


def weight_files(folder: Path) -> tuple[str, ...]:
    """Return the names of the files that a model's weights lie in: one, or an index and its shards.

    Raises:
        FolderError: an index is broken.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return (name,)
        index = name + _INDEX
        if (folder / index).is_file():
            shards = read_json(folder / index).get("weight_map")
            if not isinstance(shards, dict) or not shards:
                raise FolderError(f"{folder / index} has no `weight_map`")
            names = sorted(set(map(str, shards.values())))
            if not all(is_file_name(one) for one in names):
                raise FolderError(f"{folder / index} names a file that is not in its folder")
            return (index, *names)
    return (WEIGHT_FILES[0],)


def is_file_name(name: str) -> bool:
    """Return whether a text is the name of a file in a folder, not a path that leads elsewhere."""
    return name not in ("", "..") and name == Path(name).name and not set(name) & set("\0*?[")


def check_vocabulary(folder: Path, kind: ModelType, vocab_size: int | None) -> None:
    """Refuse a tokenizer without its vocabulary, or with one of another size.

    Args:
        folder: of the tokenizer.
        kind: of the model.
        vocab_size: entries that every vocabulary in the folder must have; None: any number.

    Raises:
        FolderError: names the file.
    """
    needed = _NEEDS[kind].vocabulary
    if not (folder / TOKENIZER_FILE).is_file():
        for name in needed:
            _check_file(folder / name)
    for name, count in _COUNTS.items():
        path = folder / name
        if path.is_file() and name in (TOKENIZER_FILE, *needed):
            _check_file(path)
            entries = count(path)
            if vocab_size is not None and entries != vocab_size:
                raise FolderError(
                    f"{path} has {entries} entries, {CONFIG_FILE} has vocab_size {vocab_size}"
                )
    if all((folder / name).is_file() for name in ("vocab.json", "merges.txt")):
        _check_merges(folder)
    if kind == "bert":
        _check_case(folder)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of a folder.

    Raises:
        FolderError: it is missing, not JSON, or no object.
    """
    _check_file(path)
    try:
        content = read_json_value(path)
    except (OSError, ValueError) as error:
        raise FolderError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise FolderError(f"{path} must hold a JSON object")
    return content


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise FolderError(f"{path} is missing")
    what = impostor_of(path)
    if what:
        raise FolderError(f"{path} is {what}")


def _entries_of_tokenizer(path: Path) -> int:
    content = read_json(path)
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict) or not vocabulary:
        raise FolderError(f"{path} has no vocabulary (model.vocab)")
    added = content.get("added_tokens") or []
    try:
        ids = {*vocabulary.values(), *(token["id"] for token in added)}
    except (TypeError, KeyError) as error:
        raise FolderError(f"{path} has an entry without a number") from error
    if not all(type(one) is int and 0 <= one < 2 * MOST_ENTRIES for one in ids):
        raise FolderError(f"{path} has an entry whose number is none of a vocabulary")
    return len(ids)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file; what else Unicode calls an end of line is an entry."""
    try:
        return read_text(path).removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{path} is no UTF-8 text: {error}") from error


_COUNTS: Mapping[str, Callable[[Path], int]] = {
    TOKENIZER_FILE: _entries_of_tokenizer,
    "vocab.txt": lambda path: len(_lines(path)),
    "vocab.json": lambda path: len(read_json(path)),
}


def _check_merges(folder: Path) -> None:
    """Refuse merges that do not make every word piece of the vocabulary."""
    made = {line.replace(" ", "") for line in _lines(folder / "merges.txt")}
    for piece in _merged_pieces(read_json(folder / "vocab.json")):
        if piece not in made:
            raise FolderError(
                f"{folder / 'merges.txt'} does not make {piece!r} of vocab.json: it is cut off, or "
                "of another model"
            )


def _merged_pieces(vocabulary: Mapping[str, Any]) -> Iterator[str]:
    for piece in vocabulary:
        is_special = piece.startswith("<|") and piece.endswith("|>")
        if len(piece.removesuffix("</w>")) > 1 and not is_special:
            yield piece


def _check_case(folder: Path) -> None:
    """Refuse a cased vocabulary that nothing says to be one: it would be read in lower case."""
    has_settings = any(
        (folder / name).is_file() for name in (TOKENIZER_FILE, "tokenizer_config.json")
    )
    if not has_settings and any(
        _UPPER_CASE.search(word) and not word.startswith("[")
        for word in _lines(folder / "vocab.txt")
    ):
        raise FolderError(
            f"{folder / 'tokenizer_config.json'} is missing, and vocab.txt has upper-case words: "
            "without it they would be read in lower case"
        )
