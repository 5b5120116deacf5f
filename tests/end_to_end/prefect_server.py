"""A Prefect server of its own on a free port of this machine, and a small DVC project."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.flow.ui import SERVER_SETTINGS
from tests.dvc_folder import make_dvc_folder

ROOT = Path(__file__).parents[2]
SMALL = Path(__file__).with_name("small_project")


class Server:
    """A server at a port of this machine."""

    def __init__(self, port: int, home: Path) -> None:
        self.address = f"http://127.0.0.1:{port}/api"
        self._variables = {"PREFECT_API_URL": self.address, "PREFECT_HOME": str(home)}

    @classmethod
    def started(cls, home: Path) -> "Server":
        """Return a new server at a free port, its data in `home`."""
        port = free_port()
        settings = {
            **SERVER_SETTINGS,
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_API_PORT": str(port),
        }
        server = cls(port, home)
        server.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.flow.prefect_server", "--no-ui"],
            cwd=ROOT,
            env=clean_environment() | settings,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        try:
            wait_for(lambda: server.is_healthy() or server.process.poll() is not None, 300)
            assert server.process.poll() is None, "the server ended"
        except AssertionError:
            server.kill()
            raise
        return server

    def variables(self) -> dict[str, str]:
        """Return what makes a process find the server, once it answers as fast as it must."""
        wait_for(self._is_quick, 120)
        return self._variables

    def cpu_share(self, seconds: float) -> float:
        """Return which share of one core it takes in the time to come."""
        before = self._cpu_seconds()
        time.sleep(seconds)
        return (self._cpu_seconds() - before) / seconds

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system

    def stop(self) -> None:
        """Ask it to end, and wait until it has written what it has to."""
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        """End it without a word, with whatever it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask(self, path: str, body: dict | None = None, method: str | None = None) -> Any:
        """Return the answer to POST `path`, or to GET if there is nothing to post."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.address}/{path}", data, {"content-type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or "null")

    def runs(self, name: str) -> list[dict]:
        """Return the flow runs of a name, latest first."""
        chosen = {"flow_runs": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC"}
        return self.ask("flow_runs/filter", chosen)

    def task_runs(self, run: dict) -> list[dict]:
        """Return the task runs of a flow run, the earliest first."""
        chosen = {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}}
        return sorted(self.ask("task_runs/filter", chosen), key=lambda each: each["start_time"])

    def artifacts(self, run: dict) -> dict[str, dict]:
        """Return the artifacts of a flow run by key."""
        chosen = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
        return {each["key"]: each for each in self.ask("artifacts/filter", chosen)}

    def deployment(self, name: str) -> dict | None:
        """Return a deployment by FLOW/NAME if it is there."""
        try:
            return self.ask(f"deployments/name/{name}")
        except urllib.error.HTTPError:
            return None

    def is_healthy(self, timeout_s: float = 5.0) -> bool:
        """Return whether it answers in time."""
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=timeout_s) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _is_quick(self) -> bool:
        return self.is_healthy(0.3) and self.is_healthy(0.3)


@dataclass(frozen=True)
class SmallProject:
    """A DVC project of four small stages."""

    folder: Path

    def start(
        self, *command: str, output: IO[str] | int = subprocess.PIPE, **variables: str
    ) -> subprocess.Popen[str]:
        """Start a command there; `output` gets what it writes."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        known = clean_environment() | {"PYTHONPATH": str(ROOT), "PATH": path} | variables
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=known,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def python(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Return exit status and console of `python ...` there."""
        process = self.start(sys.executable, *arguments, **variables)
        console, _ = process.communicate(timeout=400)
        return process.returncode, console

    def repro(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Return exit status and console of `dvc repro`."""
        return self.python("-m", "dvc", "repro", *arguments, **variables)

    def set_text(self, old: str, new: str) -> None:
        """Change dvc.yaml."""
        path = self.folder / "dvc.yaml"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def caches(self) -> dict[str, bytes]:
        """Return the caches that are there."""
        return {file.name: file.read_bytes() for file in self.folder.glob("*.h5")}

    def files(self) -> dict[str, bytes]:
        """Return the caches and dvc.lock."""
        return self.caches() | {"dvc.lock": (self.folder / "dvc.lock").read_bytes()}


def small_project(folder: Path) -> SmallProject:
    """Set up the small project in a new folder."""
    folder.mkdir(parents=True)
    shutil.copy(SMALL / "small_stage.py", folder)
    shutil.copy(SMALL / "small_dvc.yaml", folder / "dvc.yaml")  # DVC would find it by that name
    shutil.copy(ROOT / "params.yaml", folder)
    make_dvc_folder(folder, has_git=False)
    return SmallProject(folder)


def end_with_parent() -> None:
    """Let Linux kill this process when its parent is gone, killed without a fixture's end."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what steers Prefect, DVC and the pipeline."""
    ours = ("PREFECT", "PIPELINE", "DVC")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return kept | {"DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1"}


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(condition, timeout_s: float = 60.0):
    """Return what `condition()` returns once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return value
