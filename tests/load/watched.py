"""Watch many shards and many runs beside the server of `make ui`: `python -m tests.load.watched`.

The server is started as `make ui` does it, on a free port, its data in a temporary folder. One
stage of `--shards` shards runs with and without it, then `--runs` short stages in each of two
processes at once. It prints what the server has on record, how long after the end the record was
whole, what watching cost a shard, and what the server complained of. Exit status 1 if anything is
missing or the server logged an error.
"""

import argparse
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.end_to_end.prefect_server import (
    Server,
    SmallProject,
    free_port,
    small_project,
    wait_for,
)

MANY_RUNS = str(Path(__file__).with_name("many_runs.py"))
TABLES = {"type": {"any_": ["table"]}}  # a long stage has an artifact of its progress, too


class Ui:
    """`make ui` in a small project: its process, its server, what they wrote on the console."""

    def __init__(self, folder: Path) -> None:
        self.project = small_project(folder / "project")
        self.variables = {"PREFECT_HOME": str(folder / "home")}
        self.process = None
        self._console = folder / "ui.log"

    def start(self) -> "Ui":
        """Start it at a free port, and return once stages find it."""
        port = free_port()
        set_port(self.project, port)
        self.server = Server(port, Path(self.variables["PREFECT_HOME"]))
        command = [sys.executable, "-m", "pipeline.flow.ui"]
        with self._console.open("w") as console:
            self.process = self.project.start(*command, output=console, **self.variables)
        wait_for(lambda: "stages report" in self.console() or self.process.poll() is not None, 200)
        assert self.process.poll() is None, self.console()
        self.server.variables()  # it answers in time
        return self

    def console(self) -> str:
        """Return what it wrote so far, the server's log included."""
        return self._console.read_text()

    def complaints(self) -> list[str]:
        """Return the lines of its console that tell of an error or a warning."""
        return [
            line for line in self.console().splitlines() if re.search("ERROR|WARN|Error:", line)
        ]

    def stop(self) -> int:
        """End it as Ctrl-C's sibling does, and return its exit status."""
        self.process.terminate()
        return self.process.wait(60)


def set_port(project: SmallProject, port: int) -> None:
    """Write the server's port to params.yaml."""
    params = project.folder / "params.yaml"
    text, count = re.subn(r"\n  port: \d+", f"\n  port: {port}", params.read_text())
    assert count == 1
    params.write_text(text)


@dataclass(frozen=True)
class Record:
    """What a server knows of some flow runs: how many runs and task runs, how many completed."""

    runs: int
    runs_completed: int
    tasks: int
    tasks_completed: int
    tables: int

    @classmethod
    def whole(cls, runs: int, tasks: int) -> "Record":
        """Return what is to be known of runs that all completed, with a table each."""
        return cls(runs, runs, tasks, tasks, runs)


def record(server: Server, prefix: str) -> Record:
    """Return what a server knows of the flow runs whose name begins with `prefix`."""
    completed = {"state": {"type": {"any_": ["COMPLETED"]}}}
    runs = {"name": {"like_": prefix}}
    return Record(
        server.ask("flow_runs/count", {"flow_runs": runs}),
        server.ask("flow_runs/count", {"flow_runs": runs | completed}),
        server.ask("task_runs/count", {"flow_runs": runs}),
        server.ask("task_runs/count", {"flow_runs": runs, "task_runs": completed}),
        server.ask("artifacts/count", {"flow_runs": runs, "artifacts": TABLES}),
    )


def await_record(server: Server, prefix: str, expected: Record, timeout_s: float) -> Record:
    """Return what the server knows once that is what is expected, or else when time is up."""
    deadline = time.monotonic() + timeout_s
    while (known := record(server, prefix)) != expected and time.monotonic() < deadline:
        time.sleep(0.5)
    return known


def many_runs(ui: Ui, processes: int, num_runs: int, num_shards: int) -> Record:
    """Run short stages in several processes at once, and return what should be on record."""
    command = (sys.executable, MANY_RUNS, str(num_runs), str(num_shards))
    started = [ui.project.start(*command, **ui.variables) for _ in range(processes)]
    for process in started:
        console, _ = process.communicate(timeout=1200)
        assert process.returncode == 0, console
        assert "goes on without" not in console, console
    return Record.whole(processes * num_runs, processes * num_runs * num_shards)


def timed(project: SmallProject, num_shards: int, **variables: str) -> tuple[float, float]:
    """Return the wall and CPU seconds of the process of one stage."""
    started, before = time.monotonic(), children_cpu_s()
    status, console = project.python(MANY_RUNS, "1", str(num_shards), **variables)
    assert status == 0, console
    assert "goes on without" not in console, console
    return time.monotonic() - started, children_cpu_s() - before


def children_cpu_s() -> float:
    """Return the CPU seconds of this process's children that have ended."""
    times = psutil.Process().cpu_times()
    return times.children_user + times.children_system


def main() -> None:
    """Load a server and print what it made of that."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ui = Ui(Path(folder)).start()
        try:
            whole = load(ui, given.shards, given.runs)
        finally:
            ui.stop()
        complaints = ui.complaints()
    print("the server complained:", *(complaints or ["of nothing"]), sep="\n  ")
    sys.exit(not whole or bool(complaints))


def load(ui: Ui, num_shards: int, num_runs: int) -> bool:
    """Put both loads on a server, print what it made of them; return whether nothing is missing."""
    plain = timed(ui.project, num_shards)
    watched = timed(ui.project, num_shards, **ui.variables)
    ended = time.monotonic()
    one = Record.whole(1, num_shards)
    known = await_record(ui.server, "cams@0", one, 120)
    print(f"one stage of {num_shards} shards: {known}, {time.monotonic() - ended:.1f} s after it")
    for name, column in (("wall", 0), ("CPU", 1)):
        extra = watched[column] - plain[column]
        print(f"  {name}: {plain[column]:.2f} s alone, {watched[column]:.2f} s watched", end=", ")
        print(f"{extra:.2f} s or {1000 * extra / num_shards:.1f} ms a shard more")
    whole = known == one
    many_runs(ui, 2, num_runs, 10)
    expected = Record.whole(1 + 2 * num_runs, num_shards + 20 * num_runs)
    known = await_record(ui.server, "cams@", expected, 120)
    print(f"with 2 x {num_runs} short runs of 10 shards: {known}")
    server = psutil.Process(ui.process.pid).children()[0]
    memory = server.memory_info().rss / 2**20
    print(f"server: {sum(server.cpu_times()[:2]):.1f} s of CPU, {memory:.0f} MiB")
    return whole and known == expected


if __name__ == "__main__":
    main()
