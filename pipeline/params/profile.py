"""Put ready sets of values into params.yaml.

`python -m pipeline.params.profile profiles/x.yaml [a.b=1]`

A profile is a YAML file with some of params.yaml's keys; `${NAME}` in a text stands for an
environment variable. Of several, a later one wins. Comments and everything that no profile names
stay as they are.
"""

import argparse
import os
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.params.reader import ParamsError, load_yaml, read_yaml


def expand_environment(value: Any, environment: Mapping[str, str]) -> Any:
    """Replace `${NAME}` in every text of a YAML value.

    Raises:
        ParamsError: a variable is not set.
    """
    if isinstance(value, Mapping):
        return {key: expand_environment(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [expand_environment(item, environment) for item in value]
    return _expand_text(value, environment) if isinstance(value, str) else value


def _expand_text(text: str, environment: Mapping[str, str]) -> str:
    def lookup(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            raise ParamsError(f"{text!r} needs the environment variable {name}; set it and retry")
        return environment[name]

    return re.sub(r"\$\{(\w+)\}", lookup, text)


def leaves(overlay: Mapping[str, Any], parents: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every (dotted key, value) of a nested mapping; lists are values."""
    for key, value in overlay.items():
        path = (*parents, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield ".".join(path), value


def parse_assignment(text: str) -> tuple[str, Any]:
    """Return ("a.b", value) for `a.b=value`, the value read as YAML.

    Raises:
        ParamsError: it is no assignment, or the value is not YAML.
    """
    dotted, equals, value = text.partition("=")
    if not equals or not dotted:
        raise ParamsError(f"{text!r}: expected KEY=VALUE, as in train.epochs=2")
    try:
        return dotted, load_yaml(value)
    except YAMLError as error:
        raise ParamsError(f"{dotted}: {value!r} is not YAML: {error}") from error


def set_value(params: MutableMapping[str, Any], dotted: str, value: Any) -> None:
    """Set one dotted key of params.yaml's content; the sections above it must exist."""
    *parents, leaf = dotted.split(".")
    target: Any = params
    for key in parents:
        if not isinstance(target, MutableMapping) or key not in target:
            raise ParamsError(f"{dotted}: params.yaml has no section {key!r}")
        target = target[key]
    if not isinstance(target, MutableMapping):
        raise ParamsError(f"{dotted}: params.yaml has no section {'.'.join(parents)!r}")
    target[leaf] = _in_one_line(value) if isinstance(value, list) else value


def _in_one_line(values: list[Any]) -> CommentedSeq:
    """Return a list that is written as `[a, b]`: in lines of its own a comment would part it."""
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


def apply_values(path: Path, values: Sequence[tuple[str, Any]]) -> None:
    """Write the values into a params file, which is left untouched if the outcome is not valid.

    Raises:
        ParamsError: the file is not YAML, or the outcome is not valid.
    """
    read_yaml(path)
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.representer.add_representer(float, _represent_float)
    content = editor.load(path.read_text(encoding="utf-8"))
    for dotted, value in values:
        set_value(content, dotted, value)
    draft = path.with_name(path.name + ".draft")
    try:
        with draft.open("w", encoding="utf-8") as stream:
            editor.dump(content, stream)
        read_params(draft)
        draft.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ParamsError(f"{path}: cannot be written: {reason}") from error
    finally:
        draft.unlink(missing_ok=True)


def _represent_float(representer: Any, value: float) -> Any:
    """Write a number without an exponent: YAML 1.1 takes 1e-05 for a text."""
    text = np.format_float_positional(value, trim="0")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


def read_values(text: str) -> list[tuple[str, Any]]:
    """Return the dotted keys and values of a profile's file, or of one assignment."""
    if not text.endswith(".yaml"):
        return [parse_assignment(text)]
    return list(leaves(expand_environment(read_yaml(Path(text)), os.environ)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Apply profiles and single assignments, in order, and say what was set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "given",
        nargs="+",
        metavar="PROFILE.yaml|KEY=VALUE",
        help="a file of values, or one value; a later one wins",
    )
    given = parser.parse_args(arguments).given
    try:
        values = [pair for text in given for pair in read_values(text)]
        apply_values(PARAMS_FILE, values)
    except ParamsError as error:
        parser.exit(1, f"error: {error}\n")
    for dotted, value in values:
        print(f"{dotted} = {value!r}")  # noqa: T201


if __name__ == "__main__":
    main()
