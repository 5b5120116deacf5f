import os
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import ROOT

WAIT = "import time; print('up', flush=True); time.sleep(60)"
ASKING = f"from pipeline.lifetime import end_with_parent; end_with_parent(); {WAIT}"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"
LATE = """
import time
from multiprocessing import get_context, parent_process
from pipeline.lifetime import end_with_parent

def ask_without_a_parent():
    print("up", flush=True)
    parent_process().join()
    end_with_parent()
    print("goes on", flush=True)

processes = get_context("fork")
first = processes.Process(target=end_with_parent)
first.start()
first.join()
print(first.exitcode)
processes.Process(target=ask_without_a_parent).start()
time.sleep(60)
"""
UNDER_DVC = {"DVC_STAGE": "nouns@shapes"}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends a process with its parent"
)


def outlives_its_parent(arguments, is_to_end, **variables):
    """Return whether `python ARGUMENTS` goes on once it has said `up` and its parent is killed."""
    inherited = {key: text for key, text in os.environ.items() if key not in UNDER_DVC}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments],
        cwd=ROOT,
        env=inherited | variables,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout.readline() == b"up\n"
        [child] = psutil.Process(parent.pid).children()
        parent.kill()
        limit = time.monotonic() + (10 if is_to_end else 0.3)
        while (goes_on := runs(child)) and time.monotonic() < limit:
            time.sleep(0.01)
        if goes_on:
            child.kill()
    return goes_on


def runs(process):
    """Return whether a process goes on; one that ended may wait to be reaped by the machine."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("script", "ends"), [(ASKING, True), (WAIT, False)])
def test_a_process_that_asks_ends_with_a_parent_that_is_killed(script, ends):
    assert outlives_its_parent(["-c", script], ends) != ends


@pytest.mark.parametrize(("variables", "ends"), [(UNDER_DVC, True), ({}, False)])
def test_a_stage_that_still_imports_pytorch_ends_with_its_dvc(tmp_path, variables, ends):
    (tmp_path / "torch.py").write_text(WAIT)
    command = ["-m", "stages.nouns", "shapes"]
    assert outlives_its_parent(command, ends, PYTHONPATH=str(tmp_path), **variables) != ends


def test_a_process_that_a_stage_starts_may_import_it_and_go_on():
    assert outlives_its_parent(["-c", f"import stages; {WAIT}"], False, **UNDER_DVC)


def test_a_process_that_asks_when_its_parent_has_ended_ends_at_once():
    with subprocess.Popen(
        [sys.executable, "-c", LATE], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        said = [parent.stdout.readline() for _ in range(2)]
        parent.kill()
        assert [*said, parent.stdout.read()] == ["0\n", "up\n", ""]
