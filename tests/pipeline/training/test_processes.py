import os
import subprocess
import sys

import pytest
import torch

from pipeline.errors import InputError
from pipeline.training.processes import process_group, start_processes
from tests.conftest import ROOT

PROGRAM = """
import sys
from pathlib import Path
import torch
from torch import distributed
from pipeline.training.processes import process_group, start_processes

start_processes("program")
with process_group(torch.device("cpu")) as group:
    total = torch.tensor(group.rank + 1)
    distributed.all_reduce(total)
    said = f"{group.rank} of {group.num_processes}: {total} {sys.argv[1:]}"
    Path(f"said{group.rank}").write_text(said)
    sys.exit(3 if "fail" in sys.argv and group.rank == 1 else 0)
"""


def run(folder, *arguments):
    (folder / "program.py").write_text(PROGRAM)
    known = {key: value for key, value in os.environ.items() if key != "RANK"}
    known |= {"PIPELINE_NPROC": "2", "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    command = [sys.executable, "-m", "program", *arguments]
    return subprocess.run(command, cwd=folder, env=known, check=False).returncode


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("RANK", "PIPELINE_NPROC"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow
def test_a_program_goes_on_as_several_processes_that_know_each_other(tmp_path):
    assert run(tmp_path, "shapes", "full") == 0
    assert (tmp_path / "said0").read_text() == "0 of 2: 3 ['shapes', 'full']"
    assert (tmp_path / "said1").read_text() == "1 of 2: 3 ['shapes', 'full']"


@pytest.mark.slow
def test_one_process_that_fails_fails_the_program(tmp_path):
    assert run(tmp_path, "fail") != 0


def test_one_process_is_alone():
    with process_group(torch.device("cpu")) as group:
        assert (group.rank, group.num_processes) == (0, 1)


@pytest.fixture
def started(monkeypatch):
    """Return a list of the programs that this process has become, which it survives."""
    programs = []
    monkeypatch.setattr(os, "execv", lambda _, arguments: programs.append(arguments))
    return programs


def test_several_processes_are_started_by_the_same_python_with_the_same_arguments(
    monkeypatch, started
):
    monkeypatch.setenv("PIPELINE_NPROC", "2")
    monkeypatch.setattr(sys, "argv", ["program.py", "shapes", "full"])
    start_processes("program")
    ((python, *_, processes, module_flag, module, first, second),) = started
    assert (python, processes) == (sys.executable, "--nproc-per-node=2")
    assert (module_flag, module, first, second) == ("-m", "program", "shapes", "full")


@pytest.mark.parametrize(("rank", "number"), [("0", "2"), ("1", "2"), (None, "1"), (None, None)])
def test_a_process_of_a_group_and_one_alone_start_no_other(monkeypatch, started, rank, number):
    for name, value in {"RANK": rank, "PIPELINE_NPROC": number}.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    start_processes("program")
    assert started == []


@pytest.mark.parametrize("wanted", ["0", "-1", "two", ""])
def test_a_number_of_processes_that_is_none_is_refused(monkeypatch, wanted):
    monkeypatch.setenv("PIPELINE_NPROC", wanted)
    with pytest.raises(InputError, match="PIPELINE_NPROC"):
        start_processes("program")


def test_what_was_said_before_is_not_lost(monkeypatch, started, tmp_path):
    monkeypatch.setenv("PIPELINE_NPROC", "2")
    with (tmp_path / "said.txt").open("w") as said:
        monkeypatch.setattr(sys, "stdout", said)
        said.write("before")
        start_processes("program")
        assert (tmp_path / "said.txt").read_text() == "before"
