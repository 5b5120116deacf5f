import os
import signal
import subprocess
import sys
import time

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
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "up\n"
    [child] = psutil.Process(parent.pid).children()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + (10 if ends else 0.3)
    while child.is_running() and time.monotonic() < deadline:
        time.sleep(0.01)
    alive = child.is_running()
    if alive:
        child.kill()
    assert alive != ends
