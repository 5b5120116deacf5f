"""Rebuilds that a Prefect server starts and cancels, and runs whose process is gone."""

import sys
from contextlib import contextmanager
from datetime import UTC, datetime

import psutil
import pytest
import yaml

from tests.end_to_end.prefect_server import small_project, wait_for

pytestmark = pytest.mark.slow
LONG_STAGE = ("small_stage.py", "cams@shapes", "99", "3")
SET_UP = "from pipeline.flow.ui_setup import crash_silent_runs; crash_silent_runs()"


@pytest.fixture
def fresh(tmp_path):
    return small_project(tmp_path / "project")


@contextmanager
def serving(project, server, *arguments):
    """Let a project serve rebuilds; yields the deployment."""
    command = (sys.executable, "-m", "pipeline.flow", "--serve", *arguments)
    since = datetime.now(UTC).isoformat()
    process = project.start(*command, **server.variables())
    try:
        wait_for(lambda: deployed(server, since) or process.poll() is not None, 300)
        assert process.poll() is None, process.stdout.read()
        yield deployed(server, since)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def deployed(server, since):
    """Return the deployment if it was made or renewed since then."""
    found = server.deployment("rebuild/camground")
    return found if found and found["updated"] > since else None


def stage_processes(project):
    """Return the processes of stages that run in a project."""
    found = psutil.process_iter(["cmdline", "cwd"])
    here = (each for each in found if each.info["cwd"] == str(project.folder))
    return [each for each in here if "small_stage.py" in (each.info["cmdline"] or ())]


def test_a_served_rebuild_is_started_from_the_server(server, fresh):
    with serving(fresh, server, "--cron", "0 3 * * *") as deployment:
        asked = {"datasets": ["shapes"], "variants": ["full", "no_cam"], "arguments": ["cams"]}
        run = server.ask(f"deployments/{deployment['id']}/create_flow_run", {"parameters": asked})
        ended = ("Completed", "Failed", "Crashed")
        wait_for(lambda: server.ask(f"flow_runs/{run['id']}")["state_name"] in ended, 300)
    assert server.ask(f"flow_runs/{run['id']}")["state_name"] == "Completed"
    assert [each["schedule"]["cron"] for each in deployment["schedules"]] == ["0 3 * * *"]
    assert set(fresh.caches()) == {"nouns-shapes.h5", "cams-shapes.h5"}
    params = yaml.safe_load((fresh.folder / "params.yaml").read_text())
    asked.pop("arguments")
    assert params["run"] == {**asked, "targets": []}


def test_a_served_rebuild_that_is_cancelled_in_the_ui_ends_its_stage(server, fresh):
    fresh.set_text("cams@${item} 8 0.05", "cams@${item} 99 3")
    with serving(fresh, server) as deployment:
        run = server.ask(f"deployments/{deployment['id']}/create_flow_run", {})
        wait_for(lambda: [*fresh.folder.glob(".work/cams/f00d/*.h5")], 200)
        assert stage_processes(fresh)
        asked = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        server.ask(f"flow_runs/{run['id']}/set_state", asked)
        wait_for(lambda: server.ask(f"flow_runs/{run['id']}")["state_name"] == "Cancelled", 200)
        wait_for(lambda: not stage_processes(fresh), 60)


def test_a_run_whose_process_is_killed_turns_crashed(server, fresh):
    status, console = fresh.python("-c", SET_UP, **server.variables())
    assert status == 0, console
    [automation] = server.ask("automations/filter", {})
    assert automation["trigger"]["within"] == 90
    changed = {key: automation[key] for key in ("name", "enabled", "trigger", "actions")}
    changed["trigger"]["within"] = 10
    server.ask(f"automations/{automation['id']}", changed, "PUT")
    try:
        process = fresh.start(sys.executable, *LONG_STAGE, **server.variables())
        wait_for(lambda: [*fresh.folder.glob(".work/cams/f00d/*.h5")], 200)
        process.kill()
        process.communicate()
        wait_for(lambda: server.runs("cams@shapes")[0]["state_name"] == "Crashed", 200)
    finally:
        server.ask(f"automations/{automation['id']}", method="DELETE")
