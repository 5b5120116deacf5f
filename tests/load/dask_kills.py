"""Kill Dask workers under a running stage: `python -m tests.load.dask_kills --shards 200`.

A scheduler and `--workers` worker processes start on this machine. A stage of `--shards` shards of
`--seconds` each runs on them; `--kills` of the workers are killed (SIGKILL) at random moments of
it. The cache must have the bytes that one process makes. Exit status 1 if it has not.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.end_to_end.prefect_server import (
    ROOT,
    SmallProject,
    clean_environment,
    small_project,
    wait_for,
)

CACHE = "cams-shapes.h5"


class Cluster:
    """A scheduler and workers that run in a project's folder."""

    def __init__(self, project: SmallProject, num_workers: int) -> None:
        self._project = project
        self.processes = []
        (project.folder / "scheduler.log").unlink(missing_ok=True)  # of an earlier cluster
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        found = wait_for(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", self._said()), 120)
        self.address = found[1]
        self.variables = {"PIPELINE_DASK": self.address}
        for _ in range(num_workers):
            self._start("worker", self.address, "--nthreads", "1", "--no-dashboard")
        wait_for(lambda: self._said().count("Register worker") == num_workers, 240)

    def kill_worker(self) -> None:
        """Kill the youngest worker with its nanny."""
        self._kill(self.processes.pop())

    def stop(self) -> None:
        """Kill what is left."""
        while self.processes:
            self._kill(self.processes.pop())

    def _kill(self, process: subprocess.Popen) -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _said(self) -> str:
        return (self._project.folder / "scheduler.log").read_text()

    def _start(self, kind: str, *arguments: str) -> None:
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


def stage(num_shards: int, pause_s: float) -> tuple[str, ...]:
    """Return the arguments of Python that run a stage."""
    return ("small_stage.py", "cams@shapes", str(num_shards), str(pause_s))


def shards_done(project: SmallProject) -> int:
    """Return how many shards of the running stage are there."""
    return len([*project.folder.glob(".work/cams/f00d/*.h5")])


def make(project: SmallProject, arguments: tuple[str, ...], **variables: str) -> bytes:
    """Run a stage, and return the bytes of its cache."""
    (project.folder / CACHE).unlink(missing_ok=True)
    status, console = project.python(*arguments, **variables)
    assert status == 0, console
    return (project.folder / CACHE).read_bytes()


def make_with_kills(
    project: SmallProject, cluster: Cluster, arguments: tuple[str, ...], kill_at: list[int]
) -> tuple[int, str]:
    """Run a stage on a cluster, and kill a worker when so many shards are done, for each number.

    Returns:
        Exit status and console of the stage.
    """
    (project.folder / CACHE).unlink(missing_ok=True)
    process = project.start(sys.executable, *arguments, **cluster.variables)
    for number in kill_at:
        while shards_done(project) < number:
            assert process.poll() is None, f"ended before the kill: {process.communicate()[0]}"
            time.sleep(0.05)
        cluster.kill_worker()
    console, _ = process.communicate(timeout=1200)
    return process.returncode, console


def main() -> None:
    """Kill, and print how the stage fared."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--shards", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng, unequal = random.Random(given.seed), 0
    arguments = stage(given.shards, given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        project = small_project(Path(folder) / "project")
        expected = make(project, stage(given.shards, 0.0))
        for number in range(given.rounds):
            kill_at = sorted(rng.sample(range(1, given.shards * 3 // 4), given.kills))
            cluster, started = Cluster(project, given.workers), time.monotonic()
            try:
                status, console = make_with_kills(project, cluster, arguments, kill_at)
            finally:
                cluster.stop()
            equal = status == 0 and (project.folder / CACHE).read_bytes() == expected
            unequal += not equal
            print(
                f"round {number + 1}: {given.kills} of {given.workers} workers killed after "
                f"{kill_at} of {given.shards} shards: status {status}, "
                f"{'equal bytes' if equal else 'OTHER BYTES'}, {time.monotonic() - started:.0f} s"
            )
            if not equal:
                print(console[-2000:])
    sys.exit(unequal > 0)


if __name__ == "__main__":
    main()
