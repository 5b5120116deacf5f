"""Read params.yaml into frozen dataclasses; unknown, missing and ill-typed keys are errors."""

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import InputError

T = TypeVar("T")


class ParamsError(InputError):
    """params.yaml holds something no stage understands; the message names key and remedy."""


def load_yaml(text: str) -> Any:
    """Return what a YAML text holds, in the dialect that DVC writes: version 1.2.

    In version 1.1, which PyYAML reads, `off` is False and `1e-5` a text.

    Raises:
        YAMLError: it is not YAML, or a mapping has a key twice.
    """
    return YAML(typ="safe", pure=True).load(text)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ParamsError: the file is missing, is no UTF-8 text, does not parse, has a key twice, or is
            no mapping.
    """
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ParamsError(
            f"{path}: is not UTF-8 text: byte {error.start} is no character"
        ) from error
    except MarkedYAMLError as error:
        raise ParamsError(f"{path}: is not YAML: line {_line(error)}: {error.problem}") from error
    except YAMLError as error:
        raise ParamsError(f"{path}: is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path}: must hold a mapping of sections")
    return content


def _line(error: MarkedYAMLError) -> int:
    return int(error.problem_mark.line) + 1 if error.problem_mark else 1


def build(kind: type[T], values: object, where: str) -> T:
    """Return `values` as an instance of the dataclass `kind`.

    Args:
        kind: a dataclass whose fields have no defaults (every number stands in params.yaml).
        values: the mapping read from YAML.
        where: dotted path of the mapping, for messages.

    Raises:
        ParamsError: a key is unknown or missing, or a value has the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ParamsError(f"{where}: must be a mapping, got {values!r}")
    hints = get_type_hints(kind)
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


def _convert(kind: Any, value: object, where: str) -> Any:
    """Return `value` as `kind`, or say what was expected."""
    origin = get_origin(kind)
    if is_dataclass(kind):
        return build(cast("type[Any]", kind), value, where)
    if origin in _GENERIC:
        return _GENERIC[origin](get_args(kind), value, where)
    return value if kind is Any else _scalar(kind, value, where)


def _scalar(kind: type, value: object, where: str) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(cast("float", value))
    if not isinstance(value, kind) or (kind is int and not is_number):
        raise ParamsError(f"{where}: must be {kind.__name__}, got {value!r}")
    return value


def _one_of(choices: tuple[Any, ...], value: object, where: str) -> object:
    if value not in choices:
        raise ParamsError(f"{where}: must be one of {', '.join(map(repr, choices))}, got {value!r}")
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
        raise ParamsError(f"{where}: must be a list, got {value!r}")
    return tuple(_convert(kinds[0], item, f"{where}[{index}]") for index, item in enumerate(value))


def _mapping(kinds: tuple[Any, ...], value: object, where: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise ParamsError(f"{where}: must be a mapping, got {value!r}")
    return {str(key): _convert(kinds[1], item, f"{where}.{key}") for key, item in value.items()}


_GENERIC: dict[Any, Callable[[tuple[Any, ...], object, str], object]] = {
    Literal: _one_of,
    Union: _union,
    types.UnionType: _union,
    tuple: _list,
    dict: _mapping,
}
