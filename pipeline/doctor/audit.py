"""What is installed, and whether it is what it should be: `python -m pipeline.doctor.audit`.

It works offline and imports nothing that it looks at: every distribution with version, licence and
its line in requirements.lock; files that differ from the hash their wheel listed; packages that the
code imports and pyproject.toml does not declare, and the other way round. It cannot tell whether a
wheel was good when it was installed, nor which vulnerabilities are known by now. Exit status 1 if
there is a problem.
"""

import ast
import base64
import csv
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, FileHash, PackagePath, distributions
from pathlib import Path
from typing import Any

LOCK, PROJECT = Path("requirements.lock"), Path("pyproject.toml")
SHIPPED = ("camground", "pipeline", "models", "stages")
OTHERS = ("tests", "benchmarks")
BLOCK_BYTES = 2**20
HASHES = ("sha256", "sha384", "sha512")  # that a RECORD may use
ONLINE = "pip-audit --no-deps --disable-pip -r requirements.lock"


@dataclass(frozen=True)
class Installed:
    """A distribution that is installed.

    Attributes:
        name: in its normal form, lower case with dashes.
        version: as it says.
        licence: as it says, or "unknown".
        locked: its version in requirements.lock; None: it has none there.
    """

    name: str
    version: str
    licence: str
    locked: str | None


def normal(name: str) -> str:
    """Return a distribution's name in the form in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> dict[str, str]:
    """Return the versions that a lock of lines `name==version` pins, by normal name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line and line[0] not in "#-")
    return {normal(name): re.split(r"[\s;]", version)[0] for name, _, version in pairs}


def licence_of(distribution: Distribution) -> str:
    """Return the licence that a distribution names, on one line of 40 characters at most."""
    known = distribution.metadata.get_all
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in known("Classifier") or ()
        if line.startswith("License ::")
    ]
    told = known("License-Expression") or classifiers or known("License") or ["unknown"]
    return " ".join("; ".join(told).split())[:40] or "unknown"


def list_installed(found: Iterable[Distribution], locked: Mapping[str, str]) -> list[Installed]:
    """Return what is installed, by name."""
    rows = [
        Installed(normal(one.name), one.version, licence_of(one), locked.get(normal(one.name)))
        for one in found
    ]
    return sorted(rows, key=lambda row: row.name)


def lock_problems(rows: Sequence[Installed], locked: Mapping[str, str]) -> Iterator[str]:
    """Yield what is not installed as the lock pins it; what the lock does not name is no problem.

    Other packages of the environment, such as pip, harm nobody; the table shows them.
    """
    for row in rows:
        if row.locked not in (None, row.version):
            yield f"{row.name} {row.version} is installed, and the lock pins {row.locked}"
    for name in sorted(set(locked) - {row.name for row in rows}):
        yield f"{name} {locked[name]} is in the lock and not installed"


def file_problems(found: Iterable[Distribution]) -> Iterator[str]:
    """Yield files that are missing, or that differ from the hash in every RECORD that lists them.

    Two distributions may list the same file, as those of OpenCV do; the last one installed wins.
    """
    listed: dict[Path, list[tuple[Distribution, FileHash]]] = {}
    for distribution in found:
        record = distribution.read_text("RECORD")  # `files` leaves out what is missing, in some
        if record is None:
            yield f"{distribution.name}: has no list of its files"
        for name, given, *_ in csv.reader((record or "").splitlines()):
            if given:  # RECORD itself has none, nor has bytecode compiled here
                path = Path(str(distribution.locate_file(name)))
                listed.setdefault(path, []).append((distribution, FileHash(given)))
    for path, owners in listed.items():
        names = ", ".join(sorted(owner.name for owner, _ in owners))
        if not path.is_file():
            yield f"{names}: {path} is missing"
        elif not any(_is_as_listed(path, given) for _, given in owners):
            yield f"{names}: {path} is not as it was installed"


def _is_as_listed(path: Path, given: FileHash) -> bool:
    return given.mode in HASHES and _digest(path, given.mode) == given.value


def _digest(path: Path, mode: str) -> str:
    digest = hashlib.new(mode)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return base64.urlsafe_b64encode(digest.digest()).decode("ascii").rstrip("=")


def imported(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the top-level packages that Python files import, each with one file that does.

    The standard library, relative imports and the folders themselves are left out.
    """
    places = list(folders)
    own = {place.name for place in places} | {*SHIPPED, *OTHERS}
    found: dict[str, Path] = {}
    for place in places:
        for file in sorted(place.rglob("*.py")):
            for name in _imports_of(ast.parse(file.read_bytes())):
                if name not in own and name not in sys.stdlib_module_names:
                    found.setdefault(name, file)
    return found


def _imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def providers(found: Iterable[Distribution]) -> dict[str, set[str]]:
    """Return the normal names of the distributions that install each top-level package."""
    known: dict[str, set[str]] = {}
    for distribution in found:
        for top in {_top_of(file) for file in distribution.files or ()}:
            known.setdefault(top, set()).add(normal(distribution.name))
    return known


def _top_of(file: PackagePath) -> str:
    return file.parts[0].partition(".")[0]


def declared(project: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return the normal names that a pyproject.toml declares: for users, and for developers."""
    extras = project["project"].get("optional-dependencies", {})
    lines = [*project["project"]["dependencies"], *extras.get("dask", ())]
    users = {_name_of(line) for line in lines}
    return users, users | {_name_of(line) for extra in extras.values() for line in extra}


def _name_of(requirement: str) -> str:
    return normal(re.split(r"[^\w.-]", requirement)[0])


def import_problems(
    imports: Mapping[str, Path], known: Mapping[str, set[str]], allowed: set[str]
) -> Iterator[str]:
    """Yield imports that no declared distribution provides."""
    for name, file in sorted(imports.items()):
        given = known.get(name, set())
        if not given & allowed:
            source = f"of {', '.join(sorted(given))}" if given else "that nothing installs"
            yield f"{file} imports {name}, {source}; pyproject.toml does not declare it"


def unused(imports: Iterable[str], known: Mapping[str, set[str]], users: set[str]) -> Iterator[str]:
    """Yield distributions that are declared for users and that the code does not import."""
    used = set[str]().union(*(known.get(name, set()) for name in imports))
    for name in sorted(users - used):
        yield f"{name} is declared in pyproject.toml, and the code does not import it"


def audit(root: Path, found: Sequence[Distribution]) -> tuple[list[Installed], list[str]]:
    """Return what is installed and every problem, of a project's folder."""
    locked = read_lock(root / LOCK)
    rows, known = list_installed(found, locked), providers(found)
    users, developers = declared(tomllib.loads((root / PROJECT).read_text(encoding="utf-8")))
    shipped = imported(root / room for room in SHIPPED)
    problems = [*lock_problems(rows, locked)]
    problems += file_problems(found)
    problems += import_problems(shipped, known, users)
    problems += import_problems(imported(root / room for room in OTHERS), known, developers)
    problems += unused(shipped, known, users)
    return rows, problems


def main() -> None:
    """Print what is installed, the problems, and what was not looked at."""
    rows, problems = audit(Path(), [*distributions()])
    for row in rows:
        state = "as locked" if row.locked == row.version else f"lock: {row.locked or 'none'}"
        print(f"{row.name:32} {row.version:16} {state:16} {row.licence}")  # noqa: T201
    as_locked = sum(row.locked == row.version for row in rows)
    print(f"\n{len(rows)} installed, {as_locked} as the lock pins them")  # noqa: T201
    for problem in problems:
        print(f"problem: {problem}")  # noqa: T201
    print(f"not looked at: known vulnerabilities; with a network: {ONLINE}")  # noqa: T201
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
