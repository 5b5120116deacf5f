"""`make ui`: a real server at the port of params.yaml, found by stages through the profile."""

import re
import socket
import sys

import pytest

from tests.end_to_end.prefect_server import Server, free_port, small_project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path):
    return small_project(tmp_path / "project")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def set_port(project, port):
    params = project.folder / "params.yaml"
    text, count = re.subn(r"\n  port: \d+", f"\n  port: {port}", params.read_text())
    assert count == 1
    params.write_text(text)


def test_stages_find_the_server_of_the_ui_which_ends_with_its_process(project, home):
    set_port(project, port := free_port())
    server = Server(port, home)
    ui = project.start(sys.executable, "-m", "pipeline.flow.ui", PREFECT_HOME=str(home))
    try:
        said = ui.stdout.readline() + ui.stdout.readline()
        server.variables()  # it answers in time
        stage = ("small_stage.py", "nouns@shapes", "1", "0")
        status, console = project.python(*stage, PREFECT_HOME=str(home))
        run = server.runs("nouns@shapes")[0]
        [automation] = server.ask("automations/filter", {})
    finally:
        ui.terminate()
        ui.communicate(timeout=60)
    assert said.startswith(f"Prefect UI: http://127.0.0.1:{port}\n")
    assert (status, run["state_name"]) == (0, "Completed"), console
    assert automation["actions"][0]["state"] == "CRASHED"
    assert (ui.returncode, server.is_healthy()) == (0, False)


def test_a_port_that_is_taken_is_one_clear_error(project, home):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        set_port(project, other.getsockname()[1])
        status, console = project.python("-m", "pipeline.flow.ui", PREFECT_HOME=str(home))
    assert status == 1
    assert console.splitlines()[-1].startswith("error: no Prefect server at 127.0.0.1:")
