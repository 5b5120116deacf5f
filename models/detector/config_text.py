"""A detector's configuration as text that is data: read without running it.

mmengine writes a configuration as a Python file and reads it by running it. A folder that was
handed on must not run code, so its `config.py` is parsed: names that are set to literals and to
`dict(...)` of literals, which is all that `Config.pretty_text` writes.
"""

import ast
from pathlib import Path
from typing import Any

from models.detector.openmmlab import Config
from models.given_files.impostors import cause_of
from models.given_files.safe_load import ModelFileError
from models.given_files.text_files import read_text

_SCOPES = ("mmdet",)


class _DictCalls(ast.NodeTransformer):
    """Turns `dict(a=1)` into `{"a": 1}`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Return the display of a call of `dict` by keywords; other calls stay as they are."""
        self.generic_visit(node)
        is_dict = isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args
        names = [keyword.arg for keyword in node.keywords]
        if not is_dict or None in names:
            return node
        keys: list[ast.expr | None] = [ast.Constant(name) for name in names]
        return ast.Dict(keys, [keyword.value for keyword in node.keywords])


def read_config_text(path: Path) -> Config:
    """Return the configuration in a file of a detector's folder.

    Raises:
        ModelFileError: the file is missing, holds more than names and plain values, or names a part
            by its place in a package, which would import it.
    """
    try:
        values = dict(_assigned(node) for node in ast.parse(read_text(path)).body)
    except (OSError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        cause = cause_of(path, error)
        raise ModelFileError(f"{path}: is no configuration of plain values: {cause}") from error
    _check_types(values, path)
    return Config(values, filename=str(path))


def _assigned(node: ast.stmt) -> tuple[str, Any]:
    """Return the name and the value of one assignment.

    Raises:
        ValueError: the statement is another, or its value is no literal.
    """
    if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name):
        return target.id, ast.literal_eval(_DictCalls().visit(node.value))
    raise ValueError(f"line {node.lineno} sets no name to a plain value")


def _check_types(value: Any, path: Path) -> None:
    """Refuse what would make mmengine import something.

    Raises:
        ModelFileError: a type or a scope does so.
    """
    if isinstance(value, list | tuple):
        for item in value:
            _check_types(item, path)
    if not isinstance(value, dict):
        return
    kind, scope = value.get("type", ""), value.get("_scope_", _SCOPES[0])
    if "." in str(kind) or scope not in _SCOPES:
        raise ModelFileError(f"{path}: the part {kind!r} would be imported from {scope!r}")
    for item in value.values():
        _check_types(item, path)
