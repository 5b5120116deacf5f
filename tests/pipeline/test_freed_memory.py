import gc
import os
import subprocess
import sys

import pytest

from pipeline.freed_memory import begin_collection, put_off_collection
from tests.conftest import ROOT

PROGRAM = """
import mmap, resource, sys
from pipeline.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(9):
    bytearray(2**26)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * mmap.PAGESIZE / 2**26)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_a_large_block_is_cleared_by_the_kernel_once():
    cleared = {
        asked: float(subprocess.check_output([sys.executable, "-c", PROGRAM, asked]))
        for asked in ("kept", "returned")
    }
    assert cleared["kept"] < 2
    assert cleared["returned"] > 4 * cleared["kept"]


def test_garbage_is_searched_again_but_not_among_what_was_there():
    known = gc.get_freeze_count()
    begin_collection()
    assert gc.get_freeze_count() == known  # for it was not put off
    put_off_collection()
    assert not gc.isenabled()
    modules = len(gc.get_objects())
    begin_collection()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= known + modules


@pytest.mark.parametrize(
    ("command", "is_searched"),
    [(["-m", "stages.nouns"], False), (["-c", "import stages.nouns"], True)],
)
def test_a_stage_puts_the_search_off_before_it_imports_pytorch(tmp_path, command, is_searched):
    (tmp_path / "torch.py").write_text("import gc; print(gc.isenabled()); raise SystemExit")
    found = os.environ | {"PYTHONPATH": str(tmp_path)}
    said = subprocess.check_output([sys.executable, *command], cwd=ROOT, env=found, text=True)
    assert said == f"{is_searched}\n"
