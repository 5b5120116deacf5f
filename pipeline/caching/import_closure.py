"""Which source files of the project a stage runs: the code dependencies that dvc.yaml lists.

`python -m pipeline.caching.import_closure` rewrites them in dvc.yaml.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CODE_FOLDERS = ("models", "pipeline", "stages")
# `observe` only reports, `command_line` and `lifetime` only start and end a process, `errors` only
# names what is raised, and DVC tracks the values that `params` reads: changing them must recompute
# nothing
_NEVER_COMPUTES = {
    Path("pipeline/observe"),
    Path("pipeline/params"),
    Path("pipeline/command_line.py"),
    Path("pipeline/errors.py"),
    Path("pipeline/lifetime.py"),
}


def import_closure(stage_file: Path) -> list[Path]:
    """Return the project's files that a stage imports, directly or not, and the stage itself.

    Imports inside functions count; empty `__init__.py` files and what never computes do not:
    `pipeline/observe/`, `pipeline/params/`, and the files `command_line`, `errors` and `lifetime`.

    Args:
        stage_file: a file in a folder of the project root, such as `stages/cams.py`.

    Returns:
        Paths relative to the project root, sorted.
    """
    stage_file = stage_file.resolve()
    root = stage_file.parent.parent
    files = _files_by_module(root)
    found: set[Path] = set()
    waiting = {stage_file.relative_to(root)}
    while waiting:
        file = waiting.pop()
        found.add(file)
        named = _modules_named(file, (root / file).read_text(encoding="utf-8"))
        imported = {file for module in named for file in _files_of(files, module)}
        waiting |= {file for file in imported if not _NEVER_COMPUTES & {file, file.parent}} - found
    return sorted(file for file in found if file.name != "__init__.py" or _has_code(root / file))


def _files_by_module(root: Path) -> dict[str, list[Path]]:
    """Return the files of the code folders by the dotted name of their module or package."""
    files: dict[str, list[Path]] = {}
    for folder in CODE_FOLDERS:
        for file in (root / folder).rglob("*.py"):
            path = file.relative_to(root)
            module = path.parent if path.name == "__init__.py" else path.with_suffix("")
            files.setdefault(".".join(module.parts), []).append(path)
    return files


@cache  # a process may ask for the closures of several stages
def _modules_named(file: Path, text: str) -> frozenset[str]:
    tree = ast.parse(text, filename=str(file))
    return frozenset(name for node in _statements(tree) for name in _imported_modules(node, file))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement below a node, without what it computes: an import is a statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)


def _imported_modules(node: ast.AST, file: Path) -> list[str]:
    """Return the dotted names that may be modules: `from a import b` names `a` and `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = file.parts[: -node.level]  # none at level 0
    module = ".".join([*package, *([node.module] if node.module else [])])
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def _files_of(files: dict[str, list[Path]], module: str) -> Iterator[Path]:
    """Yield the files that importing a dotted name runs: its own, and those of its packages."""
    names = module.split(".")
    for depth in range(1, len(names) + 1):
        yield from files.get(".".join(names[:depth]), [])


def _has_code(file: Path) -> bool:
    return bool(file.read_text(encoding="utf-8").strip())


def code_dependencies(stage_file: Path) -> list[str]:
    """Return what dvc.yaml lists as the code of a stage: rooms, and files that lie in none.

    A room is a folder of source files inside `models` or `pipeline` that holds no other room. It
    stands for its files where a stage imports at least half of them.

    Args:
        stage_file: a file in a folder of the project root, such as `stages/cams.py`.

    Returns:
        Paths relative to the project root, sorted.
    """
    root = stage_file.resolve().parent.parent
    files_of: dict[Path, list[Path]] = {}
    for file in import_closure(stage_file):
        files_of.setdefault(file.parent, []).append(file)
    listed: list[Path] = []
    for folder, files in files_of.items():
        listed += [folder] if _is_room(root, folder, len(files)) else files
    return sorted(path.as_posix() for path in listed)


def _is_room(root: Path, folder: Path, num_imported: int) -> bool:
    sources = [file for file in (root / folder).glob("*.py") if _has_code(file)]
    has_rooms = any((root / folder).glob("*/*.py"))
    return len(folder.parts) > 1 and not has_rooms and 2 * num_imported >= len(sources)


def write_code_dependencies(dvc_file: Path) -> None:
    """Rewrite the code dependencies in dvc.yaml of every stage that has a file of its name.

    They stand at the end of the flow sequence `deps`, on lines of their own.
    """
    lines = dvc_file.read_text(encoding="utf-8").splitlines()
    written = _with_code(lines, dvc_file.parent / "stages")
    dvc_file.write_text("\n".join([*written, ""]), encoding="utf-8")


def _with_code(lines: list[str], stages: Path) -> Iterator[str]:
    """Yield the lines of dvc.yaml, those that name code made anew."""
    stage_file, is_within_deps = stages, False
    for line in lines:
        if heading := re.match(r"  (\w+):", line):
            stage_file = stages / f"{heading[1]}.py"
        if line == "    ]" and is_within_deps and stage_file.is_file():
            yield from _wrapped(code_dependencies(stage_file))
        is_within_deps = line == "    deps: [" or (is_within_deps and line != "    ]")
        if line.lstrip().split("/")[0] not in CODE_FOLDERS:
            yield line


def _wrapped(paths: list[str]) -> list[str]:
    indent = 6 * " "
    text = ", ".join(paths) + ","
    return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent)


if __name__ == "__main__":
    write_code_dependencies(Path("dvc.yaml"))
