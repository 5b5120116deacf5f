import io
import signal
import subprocess
import sys
import time
from itertools import pairwise
from select import select

import psutil
import pytest

from pipeline.errors import InputError
from pipeline.flow.dvc_steps import Step, _end_with_children, parse_repro, plan_steps, run_step
from tests.dvc_folder import make_dvc_folder


def test_the_arguments_are_those_of_dvc_repro():
    asked = parse_repro(["cams@shapes", "--force", "--no-run-cache"])
    assert (asked.targets, asked.force, asked.no_run_cache) == (["cams@shapes"], True, True)


def test_a_rebuild_that_is_to_run_nothing_is_refused_and_not_run():
    with pytest.raises(InputError, match="dvc repro --dry"):
        parse_repro(["--dry"])


def test_what_dvc_does_not_know_is_not_run_either():
    with pytest.raises(InputError, match="--forse"):
        parse_repro(["--forse"])


STAGES = """
stages:
  first: {cmd: "echo 1 > first.txt; echo $WORD; env | grep UNBUFFERED", outs: [first.txt]}
  second: {cmd: "cp first.txt second.txt", deps: [first.txt], outs: [second.txt]}
  apart: {cmd: "exit 3", outs: [apart.txt]}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    make_dvc_folder(tmp_path)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "dvc.yaml").write_text("stages: {deep: {cmd: 'true'}}")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], {"first", "second", "apart"}),
        (["--all-pipelines"], {"first", "second", "apart", "below/dvc.yaml:deep"}),
        (["second"], {"first", "second"}),
        (["second", "--single-item"], {"second"}),
        (["first", "--downstream"], {"first", "second"}),
    ],
)
def test_steps_are_the_stages_that_dvc_would_go_through_in_their_order(project, arguments, names):
    steps = plan_steps(parse_repro(arguments))
    assert {step.name for step in steps} == names
    assert len(steps) == len(names)
    above = {step.name: step.upstream for step in steps}
    assert above.get("second", ("first",)) == ("first",)
    order = [step.name for step in steps if step.name in ("first", "second")]
    assert order == sorted(order)


def test_an_unknown_stage_is_an_input_error(project):
    with pytest.raises(InputError, match="frist"):
        plan_steps(parse_repro(["frist"]))


class Shown(io.StringIO):
    """Keeps what was written by each moment at which it was flushed."""

    def __init__(self):
        super().__init__()
        self.seen = [""]

    def flush(self):
        self.seen.append(self.getvalue())


def test_a_step_runs_once_and_again_when_it_is_forced(project, monkeypatch):
    step, asked = Step("first", ()), parse_repro([])
    monkeypatch.setattr(sys, "stdout", Shown())
    assert run_step(step, asked, forced=False, variables={"WORD": "sesame"})
    seen = sys.stdout.seen
    assert {later.removeprefix(sooner).count("\n") for sooner, later in pairwise(seen)} == {1}
    assert {"sesame", "PYTHONUNBUFFERED=1"} <= {*seen[-1].splitlines()}
    assert not run_step(step, asked, forced=False, variables={})
    assert run_step(step, asked, forced=True, variables={})


def test_only_the_stage_itself_runs_and_its_failure_is_told(project):
    with pytest.raises(subprocess.CalledProcessError) as failure:
        run_step(Step("apart", ()), parse_repro(["--no-commit"]), forced=False, variables={})
    assert failure.value.returncode != 0
    assert {"--no-commit", "--single-item", "apart"} <= set(failure.value.cmd)
    assert "--force" not in failure.value.cmd
    assert not (project / "first.txt").exists()


def test_what_dvc_runs_ends_with_it_down_to_the_last_process():
    command = ["sh", "-c", "sh -c 'sleep 9; :'; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while len(psutil.Process(process.pid).children(recursive=True)) < 2:
            time.sleep(0.01)
        _end_with_children(process)
        assert select([process.stdout], [], [], 2)[0]  # nobody has it open any more
    _end_with_children(process)  # which is gone
    assert process.returncode == -signal.SIGTERM
