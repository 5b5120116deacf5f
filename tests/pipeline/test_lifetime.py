import subprocess
import sys

import psutil
import pytest

from tests.conftest import ROOT

CHILD = """
import time
from pipeline.lifetime import end_with_parent
{}
print('up', flush=True)
time.sleep(60)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize(("call", "ends"), [("end_with_parent()", True), ("", False)])
def test_a_process_ends_with_a_parent_that_is_killed(call, ends):
    command = [sys.executable, "-c", PARENT, CHILD.format(call)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"up\n"
        [child] = psutil.Process(parent.pid).children()
        parent.kill()
        _, alive = psutil.wait_procs([child], 10 if ends else 0.3)
        for process in alive:
            process.kill()
    assert bool(alive) != ends
