import subprocess
import sys

import pytest

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
