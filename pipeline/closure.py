"""Which source files of the project a stage runs: the code dependencies that dvc.yaml lists.

`python -m pipeline.closure` prints them for every stage.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

_NEVER_COMPUTES = Path("pipeline/observe.py")  # it reports: changing it must recompute nothing


def import_closure(stage_file: Path) -> list[Path]:
    """Return the project's files that a stage imports, directly or not, and the stage itself.

    Imports inside functions count; `pipeline/observe.py` and empty `__init__.py` files do not.

    Args:
        stage_file: a file in a folder of the project root, such as `stages/cams.py`.

    Returns:
        Paths relative to the project root, sorted.
    """
    stage_file = stage_file.resolve()
    root = stage_file.parent.parent
    found: set[Path] = set()
    waiting = {stage_file.relative_to(root)}
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= set(_imported_files(root, file)) - found - {_NEVER_COMPUTES}
    return sorted(file for file in found if file.name != "__init__.py" or _has_code(root / file))


def _imported_files(root: Path, file: Path) -> Iterator[Path]:
    """Yield the project files that one file names in its import statements."""
    tree = ast.parse((root / file).read_text(encoding="utf-8"), filename=str(file))
    for node in ast.walk(tree):
        for module in _imported_modules(node, file):
            yield from _files_of(root, module.split("."))


def _imported_modules(node: ast.AST, file: Path) -> list[str]:
    """Return the dotted names that may be modules: `from a import b` names `a` and `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = file.parts[: -node.level] if node.level else ()
    module = ".".join([*package, *([node.module] if node.module else [])])
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def _files_of(root: Path, names: list[str]) -> Iterator[Path]:
    """Yield the files that importing a dotted name runs, packages first; none outside `root`."""
    for depth in range(1, len(names) + 1):
        module = Path(*names[:depth])
        for file in (module / "__init__.py", module.with_suffix(".py")):
            if (root / file).is_file():
                yield file


def _has_code(file: Path) -> bool:
    return bool(file.read_text(encoding="utf-8").strip())


def main() -> None:
    """Print the closure of every stage, as dvc.yaml lists it."""
    for stage_file in sorted(Path("stages").glob("*.py")):
        if stage_file.name != "__init__.py":
            lines = [f"      - {file.as_posix()}" for file in import_closure(stage_file)]
            sys.stdout.write("\n".join([f"{stage_file.stem}:", *lines, ""]))


if __name__ == "__main__":
    main()
