"""Read params.yaml into frozen dataclasses.

Unknown and missing keys are errors, and so are values of a wrong type or out of their range.
"""

import math
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

from models.given_files.foreign_values import short_text
from models.given_files.impostors import cause_of, impostor_of
from models.given_files.text_files import check_regular
from pipeline.errors import InputError

T = TypeVar("T")
MOST_BYTES = 1_000_000  # of a file that a person writes
MOST_VALUES = 1_000_000  # that aliases make of a file of any size
MOST_BITS = 1024  # of a whole number, as a float can have


class ParamsError(InputError):
    """params.yaml holds something no stage understands; the message names key and remedy."""


class _Constructor(SafeConstructor):
    """Makes plain values, and no number of thousands of digits in any base: no text shows it."""

    def construct_yaml_int(self, node: ScalarNode) -> int:
        value: int = super().construct_yaml_int(node)
        if value.bit_length() > MOST_BITS:
            raise ValueError(f"a whole number has {value.bit_length()} bits")
        return value


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)


def load_yaml(text: str) -> Any:
    """Return what a YAML text holds, in the dialect that DVC writes: version 1.2.

    In version 1.1, which PyYAML reads, `off` is False and `1e-5` a text.

    Raises:
        YAMLError: it is not YAML, or a mapping has a key twice.
    """
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = _Constructor
        return yaml.load(text)
    except (ValueError, KeyError) as error:  # the date 2026-02-31, `!!bool 2`
        raise YAMLError(f"a value is none of its kind: {error}") from error
    except RecursionError as error:
        raise YAMLError("lists or mappings lie too deep in each other") from error


def read_yaml(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Args:
        path: the file.
        most_bytes: a larger file is not parsed, which takes seconds for each of its megabytes.

    Raises:
        ParamsError: the file is missing, too large, no UTF-8 text, does not parse, has a key
            twice, is no mapping, or holds itself by an alias.
    """
    try:
        check_regular(path)
        num_bytes = path.stat().st_size
        if num_bytes > most_bytes:
            raise ParamsError(f"{path}: has more than {most_bytes} bytes")
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ParamsError(
            f"{path}: is not UTF-8 text: byte {error.start} is no character"
        ) from error
    except YAMLError as error:
        raise ParamsError(f"{path}: is not YAML: {_problem(path, error)}") from error
    if not isinstance(content, dict):
        what = impostor_of(path)
        raise ParamsError(
            f"{path}: must hold a mapping of sections" + (f", but it is {what}" if what else "")
        )
    if not _has_at_most(content, max(num_bytes, MOST_VALUES)):  # a value is a byte at least
        raise ParamsError(f"{path}: an alias (`*name`) lies in what it stands for, or is too much")
    return content


def _has_at_most(content: object, most: int) -> bool:
    """Return whether nested lists and mappings hold at most so many values, aliases counted."""
    waiting, count = [content], 0
    while waiting and count <= most:
        value = waiting.pop()
        items = value.values() if isinstance(value, Mapping) else value
        if isinstance(items, Collection) and not isinstance(items, str):
            count += len(items)
            waiting.extend(items)
    return count <= most


def _problem(path: Path, error: YAMLError) -> str:
    """Return what is wrong with a file that is not YAML, and in which line."""
    if isinstance(error, MarkedYAMLError) and not impostor_of(path):
        line = int(error.problem_mark.line) + 1 if error.problem_mark else 1
        return f"line {line}: {error.problem}"
    return cause_of(path, error)


def build(kind: type[T], values: object, where: str) -> T:
    """Return `values` as an instance of the dataclass `kind`.

    Args:
        kind: a dataclass whose fields have no defaults (every number stands in params.yaml).
        values: the mapping read from YAML.
        where: dotted path of the mapping, for messages.

    Raises:
        ParamsError: a key is unknown or missing, or a value has the wrong type or is not in the
            bounds that `Annotated` gives its field (`models.ranges`).
    """
    if not isinstance(values, Mapping):
        raise _wrong(where, "a mapping", values)
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in set(values) - known)
    if unknown:
        raise ParamsError(
            f"{where}.{unknown[0]}: no stage knows this key; known here: {', '.join(sorted(known))}"
        )
    missing = sorted(known - set(values))
    if missing:
        raise ParamsError(f"{where}.{missing[0]}: missing; add it to params.yaml")
    return kind(**{name: _convert(hints[name], values[name], f"{where}.{name}") for name in known})


def _wrong(where: str, expected: str, value: object) -> ParamsError:
    return ParamsError(f"{where}: must be {expected}, got {short_text(value)}")


def _convert(kind: Any, value: object, where: str) -> Any:
    """Return `value` as `kind`, or raise what was expected."""
    origin = get_origin(kind)
    if is_dataclass(kind):
        return build(cast("type[Any]", kind), value, where)
    if origin in _GENERIC:
        return _GENERIC[origin](get_args(kind), value, where)
    return value if kind is Any else _scalar(kind, value, where)


def _scalar(kind: type, value: object, where: str) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number:
        return _finite(cast("float", value), where)
    if not isinstance(value, kind) or (kind is int and not is_number):
        raise _wrong(where, kind.__name__, value)
    return value


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise _wrong(where, "a finite number", value)
    return number


def _bounded(kinds: tuple[Any, ...], value: object, where: str) -> object:
    """Return the value as the first kind; the others are what it must be in."""
    converted = _convert(kinds[0], value, where)
    for bound in kinds[1:]:
        if converted not in bound:
            raise _wrong(where, str(bound), value)
    return converted


def _one_of(choices: tuple[Any, ...], value: object, where: str) -> object:
    if value not in choices:
        raise _wrong(where, f"one of {', '.join(map(repr, choices))}", value)
    return value


def _union(kinds: tuple[Any, ...], value: object, where: str) -> object:
    problems = []
    for kind in _told_apart(kinds, value, where):
        try:
            return _convert(kind, value, where)
        except ParamsError as error:
            problems.append(str(error))
    raise ParamsError("; or ".join(problems))


def _told_apart(kinds: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    """Return the dataclasses that `value` may be: those whose first field, a literal, it gives.

    Raises:
        ParamsError: it gives that field, but as no dataclass has it.
    """
    tags = {fields(kind)[0].name if is_dataclass(kind) else None for kind in kinds}
    tag = tags.pop()
    if tags or tag is None or not isinstance(value, Mapping) or tag not in value:
        return kinds
    choices = {kind: get_args(get_type_hints(kind)[tag]) for kind in kinds}
    every = tuple(choice for known in choices.values() for choice in known)
    if every:
        _one_of(every, value[tag], f"{where}.{tag}")
    return tuple(kind for kind in kinds if value[tag] in choices[kind]) or kinds


def _list(kinds: tuple[Any, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    return tuple(_convert(kinds[0], item, f"{where}[{index}]") for index, item in enumerate(value))


def _mapping(kinds: tuple[Any, ...], value: object, where: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise _wrong(where, "a mapping", value)
    return {
        _convert(kinds[0], key, f"{where}.{key}"): _convert(kinds[1], item, f"{where}.{key}")
        for key, item in value.items()
    }


_GENERIC: dict[Any, Callable[[tuple[Any, ...], object, str], object]] = {
    Annotated: _bounded,
    Literal: _one_of,
    Union: _union,
    types.UnionType: _union,
    tuple: _list,
    dict: _mapping,
}
