"""The order and the ends of a rebuild's stages; the flow runs are in tests/end_to_end."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from prefect.states import StateType

from pipeline.errors import InputError
from pipeline.flow.dvc_steps import parse_repro
from pipeline.flow.rebuild import RebuildError, rebuild, rebuild_stages, select
from pipeline.observe.observer import Observer
from pipeline.params.read import PARAMS_FILE, read_params
from tests.conftest import ROOT
from tests.dvc_folder import make_dvc_folder

STAGES = """
stages:
  first: {cmd: "echo 1 > first.txt", outs: [first.txt]}
  broken: {cmd: "exit 3", deps: [first.txt], outs: [broken.txt]}
  after: {cmd: "cp broken.txt after.txt", deps: [broken.txt], outs: [after.txt]}
  beside: {cmd: "cp first.txt beside.txt", deps: [first.txt], outs: [beside.txt]}
"""


class Console(Observer):
    """Does each unit of work and keeps in which state it is said to end."""

    def __init__(self):
        super().__init__("rebuild")
        self.ends, self.messages, self.reasons = {}, [], {}

    def log(self, message):
        self.messages.append(message)

    def unit(self, work, _label, name, state_of):
        value = work()
        state = state_of(value)
        self.ends[name] = (value.value, state.type)
        self.reasons[name] = state.message
        return value


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    make_dvc_folder(tmp_path)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    return tmp_path


def test_what_needs_a_failed_stage_is_blocked_and_everything_else_runs(project):
    console = Console()
    with pytest.raises(RebuildError, match="broken"):
        rebuild_stages(console, parse_repro([]))
    assert console.ends == {
        "first": ("Completed", StateType.COMPLETED),
        "broken": ("Failed", StateType.FAILED),
        "after": ("Blocked", StateType.CANCELLED),
        "beside": ("Completed", StateType.COMPLETED),
    }
    assert (project / "beside.txt").read_text() == "1\n"
    assert {name for name, reason in console.reasons.items() if reason} == {"broken", "after"}
    for name, (end, _) in console.ends.items():
        assert f"{name} {end}" in console.messages[-1]
    assert issubclass(RebuildError, InputError)


def test_a_rebuild_that_a_server_starts_is_of_a_selection_and_a_stage_learns_its_task_run(
    project, monkeypatch, capfd
):
    module, beats, run_id = "pipeline.observe.prefect_observer", [], str(UUID(int=7))
    told = "stages: {told: {cmd: 'echo $PIPELINE_PARENT_TASK_RUN'}, broken: {cmd: 'exit 3'}}"
    (project / "dvc.yaml").write_text(told)
    (project / PARAMS_FILE).write_bytes((ROOT / PARAMS_FILE).read_bytes())
    monkeypatch.setattr(logging.getLogger("prefect"), "propagate", True)  # for the tests after this
    monkeypatch.setattr(f"{module}.task", lambda **_: lambda work: work)
    monkeypatch.setattr(f"{module}.get_run_logger", lambda: SimpleNamespace(info=str))
    monkeypatch.setattr(
        "pipeline.observe.prefect_client.emit_event", lambda *one: beats.append(one)
    )
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", run_id)
    monkeypatch.setenv("PREFECT__RUNTIME__TASK_RUN__ID", "f00d-4")
    rebuild.fn(["refcoco"], ["no_cam"], ["told"])
    run = read_params().run
    assert (run.datasets, run.variants) == (("refcoco",), ("no_cam",))
    assert run_id in str(beats[0])
    assert "f00d-4" in capfd.readouterr().out.splitlines()


def test_a_selection_is_written_into_the_params_only_where_it_differs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = (ROOT / PARAMS_FILE).read_bytes()
    Path(PARAMS_FILE).write_bytes(content)
    before = read_params().run
    names = {"datasets": before.datasets, "variants": before.variants}
    select(names)
    assert Path(PARAMS_FILE).read_bytes() == content
    for changed in ({"variants": ("no_cam", "full")}, {"datasets": ("refcoco", "shapes")}):
        select(names | changed)
        assert read_params().run == replace(before, **changed)


@pytest.mark.slow
def test_a_second_time_nothing_runs_unless_what_it_needs_ran_and_that_is_asked_for(project):
    good = ["first", "beside"]
    assert ends(good) == ["Completed", "Completed"]
    assert ends(good) == ["Cached", "Cached"]
    (project / "dvc.yaml").write_text(STAGES.replace("echo 1 >", "echo 1  >"))
    assert ends(good) == ["Completed", "Cached"]  # the same bytes again
    (project / "dvc.yaml").write_text(STAGES.replace("echo 1 >", "echo 1   >"))
    assert ends([*good, "--force-downstream"]) == ["Completed", "Completed"]


def ends(arguments):
    console = Console()
    rebuild_stages(console, parse_repro(arguments))
    assert console.messages
    return [console.ends[name][0] for name in ("first", "beside")]
