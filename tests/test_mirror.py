"""Tests mirror the rooms: `models/x/y.py` is tested by `tests/models/x/test_y.py`.

Where that file is full, a second one tells the rest: `test_y_damage.py`.
"""

from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("models", "pipeline", "camground")
MOST_FILES, MOST_LINES = 13, 400
ELSEWHERE = {  # modules without a test file of their own -> what tests them, or why nothing does
    "pipeline/reporting/methods.py": "holds names",
    "pipeline/observe/prefect_dask.py": "tests/end_to_end/test_dask.py",
}


def modules():
    return [
        path.relative_to(ROOT)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.name != "__init__.py"
    ]


def mirror_of(module):
    """Return where the tests of a module stand; `__main__` goes by the name of its room."""
    name = module.parent.name if module.stem == "__main__" else module.stem
    return Path("tests") / module.parent / f"test_{name}.py"


def test_every_module_has_its_test_file():
    missing = {str(module) for module in modules() if not (ROOT / mirror_of(module)).is_file()}
    assert missing == set(ELSEWHERE)
    named = [reason for reason in ELSEWHERE.values() if reason.startswith("tests/")]
    assert all((ROOT / name).is_file() for name in named)


def test_every_test_file_has_its_module():
    expected = {mirror_of(module) for module in modules()}
    found = (path for room in ROOMS for path in (ROOT / "tests" / room).rglob("test_*.py"))
    for path in {path.relative_to(ROOT) for path in found} - expected:
        beside = [first for first in expected if first.parent == path.parent]
        firsts = [first for first in beside if path.stem.startswith(f"{first.stem}_")]
        assert max(map(num_lines, firsts), default=0) + num_lines(path) > MOST_LINES, path


def num_lines(path):
    return len((ROOT / path).read_text("utf-8").splitlines())


@pytest.mark.parametrize("top", [*ROOMS, "stages", "benchmarks"])
def test_rooms_and_files_are_small(top):
    files = [path for path in (ROOT / top).rglob("*.py") if path.name != "__init__.py"]
    long = [path for path in files if num_lines(path) > MOST_LINES]
    rooms = {path.parent for path in files}
    full = [room for room in rooms if sum(path.parent == room for path in files) > MOST_FILES]
    assert (long, full) == ([], [])


def test_test_files_are_small():
    files = (ROOT / "tests").rglob("*.py")
    assert [path for path in files if num_lines(path) > MOST_LINES] == []
