"""`python -m pipeline.flow` without a server; beside one it is in tests/end_to_end."""

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest
from prefect import Flow

from pipeline.flow.__main__ import main
from pipeline.params.read import PARAMS_FILE
from tests.conftest import ROOT
from tests.dvc_folder import make_dvc_folder


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A DVC project of one stage, and no server configured."""
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    make_dvc_folder(tmp_path)
    text = "stages: {a: {cmd: 'echo 1 > a.txt', outs: [a.txt]}, b: {cmd: 'exit 3'}}"
    (tmp_path / "dvc.yaml").write_text(text)
    return tmp_path


def flow(project, *arguments):
    """Start a rebuild as users do."""
    command = [sys.executable, "-m", "pipeline.flow", *arguments]
    return subprocess.Popen(command, cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize(("target", "status"), [("a", 0), ("b", 255)])
def test_without_a_server_dvc_itself_rebuilds_what_it_is_asked_for(project, target, status):
    assert flow(project, target).wait() == status
    assert (project / "a.txt").exists() == (target == "a")


def test_arguments_of_dvc_go_on_to_it(project):
    assert flow(project, "--dry", "a").wait() == 0
    assert not (project / "a.txt").exists()


def test_what_ends_a_rebuild_ends_dvc(project):
    os.mkfifo(project / "up")
    (project / "dvc.yaml").write_text("stages: {a: {cmd: 'echo $$ > up; exec sleep 60'}}")
    with flow(project) as run:
        stage = psutil.Process(int((project / "up").read_text()))
        dvc = stage.parent()
        run.terminate()
        assert run.wait() == -signal.SIGTERM
    is_left = dvc.is_running()
    for process in (stage, dvc):  # a stage of this project would end with DVC
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not is_left


@pytest.mark.timeout(30)
def test_serving_without_a_server_is_one_clear_error_at_once():
    with pytest.raises(SystemExit, match=r"^error: .*make ui"):
        main(["--serve", "--cron", "0 3 * * *"])


def test_one_rebuild_at_a_time_is_served_of_what_run_names(project, health, monkeypatch):
    starting = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    monkeypatch.setattr(os, "environ", starting)
    answering = {"PREFECT_API_URL": health.address}
    monkeypatch.setattr("time.sleep", lambda _: starting.update(answering))
    (project / PARAMS_FILE).write_bytes((ROOT / PARAMS_FILE).read_bytes())
    served = []
    monkeypatch.setattr(Flow, "serve", lambda flow, **how: served.append((flow.name, how)))
    main(["--serve", "--cron", "0 3 * * *"])
    parameters = {"datasets": ["shapes"], "variants": ["full"], "arguments": []}
    how = {"name": "camground", "cron": "0 3 * * *", "parameters": parameters, "limit": 1}
    assert served == [("rebuild", how)]
