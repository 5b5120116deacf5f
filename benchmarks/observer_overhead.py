"""What watching costs: a stage of many shards with and without a Prefect server, in turns.

`python -m benchmarks.observer_overhead` starts a server of its own on a free port and prints wall
and CPU seconds of the stage's process. A shard computes for a fixed CPU time and writes its file.
"""

import argparse
import os
import socket
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ratios.timing import ProcessCost, run_python
from pipeline.flow.ui import api_address, start_server, stop_server

STAGE = """
import sys, time
import numpy as np
from pipeline.caching.shards import ShardPlan, remove_shards, run_shards
from pipeline.observe.run_stage import run_stage

num_shards, cpu_s = int(sys.argv[1]), float(sys.argv[2])
square = np.random.default_rng(0).random((200, 200))

def compute(items):
    started = time.thread_time()
    while time.thread_time() - started < cpu_s:
        square @ square
    return {"maps": square[None]}

def body(observer):
    plan = ShardPlan("cams", "overhead", num_shards, 1)
    run_shards(plan, compute, observer)
    remove_shards(plan)

run_stage("cams@overhead", body)
"""


def describe(name: str, plain: list[float], watched: list[float]) -> str:
    """Return one line: medians, and mean difference with its 95 % interval over n pairs."""
    extra = [more - less for less, more in zip(plain, watched, strict=True)]
    middle = statistics.mean(extra)
    half = 1.96 * statistics.stdev(extra) / len(extra) ** 0.5 if len(extra) > 1 else float("nan")
    ratio = statistics.median(watched) / statistics.median(plain)
    return (
        f"{name}: {statistics.median(plain):.2f} s without a server, "
        f"{statistics.median(watched):.2f} s with one; ratio {ratio:.3f}; "
        f"{middle:+.2f} s [{middle - half:+.2f}, {middle + half:+.2f}], n = {len(extra)}"
    )


def main() -> None:
    """Time the stage in turns and print what watching added."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shards", type=int, default=50, help="of the stage")
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time of a shard")
    parser.add_argument("--pairs", type=int, default=5, help="turns with and without")
    given = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(DVC_ROOT=home, PREFECT_HOME=home)
        os.environ.pop("PREFECT_API_URL", None)
        server = start_server(port)
        try:
            _compare(given, {"PREFECT_API_URL": api_address(port)})
        finally:
            stop_server(server)


def _compare(given: argparse.Namespace, server: Mapping[str, str]) -> None:
    arguments, here = [str(given.shards), str(given.seconds)], Path.cwd()
    plain, watched = list[ProcessCost](), list[ProcessCost]()
    for _ in range(given.pairs):
        plain.append(run_python(STAGE, here, *arguments))
        watched.append(run_python(STAGE, here, *arguments, variables=server))
    print(f"{given.shards} shards of {given.seconds} CPU s each; load {os.getloadavg()[0]:.1f}")
    for name, column in (("wall", "wall_s"), ("CPU of the stage", "cpu_s")):
        columns = ([getattr(cost, column) for cost in costs] for costs in (plain, watched))
        print(describe(name, *columns))


if __name__ == "__main__":
    main()
