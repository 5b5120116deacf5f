"""Time what is compared in turns, in this process or in one of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Work = Callable[[], object]
Clock = Callable[[], float]
CPU, WALL, MEMORY = "CPU time", "wall time", "memory"  # what a row may compare


def in_turns(
    works: Mapping[str, Work],
    rounds: int,
    clock: Clock = time.process_time,
    repeats: Mapping[str, int] | None = None,
) -> dict[str, list[float]]:
    """Return the seconds that each work took in each round; once before, they run untimed.

    What is compared runs in turns, so that a machine that is busy for a while slows all of it.

    Args:
        works: by name.
        rounds: how often each is timed.
        clock: seconds of CPU time, or of wall time.
        repeats: how often a work is done for one time, where that is not once.
    """
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(mean_seconds(work, (repeats or {}).get(name, 1), clock))
    return seconds


def mean_seconds(work: Work, repeats: int = 1, clock: Clock = time.process_time) -> float:
    """Return the mean time of a call."""
    started = clock()
    for _ in range(repeats):
        work()
    return (clock() - started) / repeats


@dataclass(frozen=True)
class ProcessCost:
    """What a process took: wall and CPU seconds, and its peak memory in GiB."""

    wall_s: float
    cpu_s: float
    peak_gib: float


def run_process(
    command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> ProcessCost:
    """Run a command in a folder, without its output, and return what it cost.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | (variables or {}),
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            words = said.read().decode(errors="replace")[-1000:]
            raise RuntimeError(f"{' '.join(command)}: ended with {process.returncode}: {words}")
    return ProcessCost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def run_python(
    code: str, folder: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> ProcessCost:
    """Run Python code that may import this project, on one thread, and return what it cost.

    Raises:
        RuntimeError: it failed.
    """
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return run_process(
        [sys.executable, "-c", code, *arguments], folder, own | dict(variables or {})
    )
