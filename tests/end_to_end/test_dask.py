"""Shards on a Dask cluster of two worker processes on this machine, one of which is killed."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.end_to_end.prefect_server import ROOT, clean_environment, small_project, wait_for

pytest.importorskip("prefect_dask", reason="the extra [dask] is not installed")
pytestmark = pytest.mark.slow

STAGE = ("small_stage.py", "cams@shapes", "8", "0.5")


class Cluster:
    """A scheduler and two workers that run in a project's folder."""

    def __init__(self, project):
        self._project = project
        self.processes = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        found = wait_for(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", self._said()), 120)
        self.address = found[1]
        self.variables = {"PIPELINE_DASK": self.address}
        for _ in range(2):
            self._start("worker", self.address, "--nthreads", "1", "--no-dashboard")
        wait_for(lambda: self._said().count("Register worker") == 2, 120)

    def kill(self, process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)

    def _said(self):
        return (self._project.folder / "scheduler.log").read_text()

    def _start(self, kind, *arguments):
        with (self._project.folder / f"{kind}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + kind, *arguments],
                cwd=self._project.folder,
                env=clean_environment() | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return small_project(tmp_path_factory.mktemp("dask") / "project")


@pytest.fixture(scope="module")
def in_one_process(project):
    """The bytes of the cache, made without a cluster."""
    return make(project)


@pytest.fixture(scope="module")
def cluster(project, in_one_process):
    cluster = Cluster(project)
    yield cluster
    cluster.stop()


def make(project, **variables):
    cache = project.folder / "cams-shapes.h5"
    cache.unlink(missing_ok=True)
    status, console = project.python(*STAGE, **variables)
    assert status == 0, console
    return cache.read_bytes()


def test_a_cluster_that_loses_a_worker_makes_the_same_bytes(project, cluster, in_one_process):
    (project.folder / "cams-shapes.h5").unlink()
    process = project.start(sys.executable, *STAGE, **cluster.variables)
    wait_for(lambda: len([*project.folder.glob(".work/cams/f00d/*.h5")]) >= 2, 200)
    cluster.kill(cluster.processes[-1])
    console, _ = process.communicate(timeout=300)
    assert process.returncode == 0, console
    assert (project.folder / "cams-shapes.h5").read_bytes() == in_one_process


def test_what_a_cluster_does_is_seen(project, cluster, server, in_one_process):
    assert make(project, **cluster.variables, **server.variables()) == in_one_process
    run = server.runs("cams@shapes")[0]
    wait_for(lambda: [task["state_name"] for task in server.task_runs(run)] == 8 * ["Completed"])


def test_an_error_on_a_worker_is_the_stages_error(project, cluster, server):
    variables = cluster.variables | server.variables() | {"FAILING_STAGE": "cams"}
    status, console = project.python(*STAGE, **variables)
    assert status == 1
    assert console.rstrip().endswith("ValueError: cams@shapes cannot")
    assert server.runs("cams@shapes")[0]["state_name"] == "Failed"


def test_workers_of_another_folder_are_refused(cluster, tmp_path):
    other = small_project(tmp_path / "project")
    status, console = other.python(*STAGE, **cluster.variables)
    assert status == 1
    assert f"start it in {other.folder}" in console
