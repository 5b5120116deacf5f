"""Do nothing of use, many times: `many_runs.py RUNS SHARDS`; a run is that of a stage `cams@N`."""

import sys
from functools import partial

from pipeline.observe.observer import Observer
from pipeline.observe.run_stage import run_stage


def run(num_shards: int, observer: Observer) -> None:
    observer.map(abs, range(num_shards), "shards")
    observer.table("numbers", [{"n": num_shards}])


if __name__ == "__main__":
    num_runs, num_shards = map(int, sys.argv[1:])
    for number in range(num_runs):
        run_stage(f"cams@{number}", partial(run, num_shards))
