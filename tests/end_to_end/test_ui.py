"""`make ui`: a real server at the port of params.yaml, found by stages through the profile."""

import socket

import pytest

from tests.end_to_end.prefect_server import small_project
from tests.load.watched import Ui, await_record, many_runs, set_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    ui = Ui(tmp_path_factory.mktemp("ui")).start()
    yield ui
    if ui.process.poll() is None:
        ui.stop()


def test_stages_find_the_server_of_the_ui(ui):
    stage = ("small_stage.py", "nouns@shapes", "1", "0")
    status, console = ui.project.python(*stage, **ui.variables)
    assert status == 0, console
    assert ui.server.runs("nouns@shapes")[0]["state_name"] == "Completed"
    assert ui.console().startswith(f"Prefect UI: {ui.server.address.removesuffix('/api')}\n")


def test_it_finds_killed_runs(ui):
    [automation] = ui.server.ask("automations/filter", {})
    assert automation["actions"][0]["state"] == "CRASHED"


def test_nothing_is_missing_of_many_runs_at_once_and_no_request_failed(ui):
    expected = many_runs(ui, processes=2, num_runs=3, num_shards=11)
    assert await_record(ui.server, "cams@", expected, 60) == expected
    assert ui.complaints() == []


def test_the_server_ends_with_its_process(ui):
    assert (ui.stop(), ui.server.is_healthy()) == (0, False)


def test_a_port_that_is_taken_is_one_clear_error(tmp_path):
    project, home = small_project(tmp_path / "project"), tmp_path / "home"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        set_port(project, other.getsockname()[1])
        status, console = project.python("-m", "pipeline.flow.ui", PREFECT_HOME=str(home))
    assert status == 1
    assert console.splitlines()[-1].startswith("error: no Prefect server at 127.0.0.1:")
