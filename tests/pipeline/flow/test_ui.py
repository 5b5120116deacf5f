"""Starting and stopping processes of a server; a real one is in tests/end_to_end/test_ui.py."""

import os
import re
import signal
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from pipeline.flow import ui
from pipeline.flow.ui import api_address, main, stop_server
from tests.conftest import ROOT


def test_the_address_is_this_machine_s_own():
    assert api_address(4321) == "http://127.0.0.1:4321/api"


def test_a_server_is_ended_and_waited_for():
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
    stop_server(server)
    assert server.returncode == -signal.SIGTERM


def test_a_server_that_will_not_end_is_killed(monkeypatch):
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True)"
    command = [sys.executable, "-c", f"{code}; time.sleep(99)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        server.stdout.readline()  # it ignores SIGTERM from here on
        wait = server.wait
        monkeypatch.setattr(server, "wait", lambda seconds=None: wait(seconds and 0.2))
        stop_server(server)
        assert server.returncode == -signal.SIGKILL


def test_a_wrong_params_file_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("runtime: 3")
    with pytest.raises(SystemExit, match=r"^error: params\.yaml"):
        main()


def test_a_server_that_ends_at_once_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ui.InputError, match=r"127\.0\.0\.1:9.*runtime\.port"):
        ui.start_server(9)


def test_where_no_server_answers_one_is_started_at_the_port_of_params(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(re.sub(r"(?m)^  port: \d+", "  port: 9", text), "utf-8")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SystemExit, match=r"^error: .*127\.0\.0\.1:9"):
        main()


@pytest.mark.parametrize(("theirs", "is_theirs"), [(9, True), (4321, False)])
def test_a_server_learns_of_silent_runs_and_stages_are_said_to_report_to_it_if_they_do(
    monkeypatch, capsys, theirs, is_theirs
):
    made = []
    client = SimpleNamespace(create_automation=made.append, read_automations_by_name=lambda _: [])
    monkeypatch.setattr("pipeline.flow.ui_setup.get_client", lambda **_: nullcontext(client))
    monkeypatch.setattr(os, "environ", os.environ | {"PREFECT_API_URL": api_address(theirs)})
    ui._set_up(9)
    assert len(made) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith(" http://127.0.0.1:9")
    assert (f"export PREFECT_API_URL={api_address(9)}" in told) == (not is_theirs)
    assert os.environ["PREFECT_API_URL"] == api_address(9)
