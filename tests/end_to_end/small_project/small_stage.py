"""Does nothing of use, as the project's stages do: `small_stage.py cams@shapes SHARDS SECONDS`."""

import os
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pipeline.caching.cache import Provenance, write_cache
from pipeline.caching.shards import ShardPlan, remove_shards, run_shards
from pipeline.observe.observer import Observer
from pipeline.observe.run_stage import run_stage

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0"
    "000003010100c9fe92ef0000000049454e44ae426082"
)


def run(stage: str, num_shards: int, pause_s: float, observer: Observer) -> None:
    name, _, dataset = stage.partition("@")
    failing = os.environ.get("FAILING_STAGE") == name
    plan = ShardPlan(name, "f00d", num_shards, 1)

    def compute(items: range) -> dict[str, np.ndarray]:
        time.sleep(pause_s)
        if failing:
            raise ValueError(f"{stage} cannot")
        return {"maps": np.random.default_rng(items.start).random((len(items), 40, 7))}

    arrays = run_shards(plan, compute, observer)
    observer.log(f"{len(arrays['maps'])} maps")
    forked = get_context("fork").Process(target=int)
    forked.start()
    forked.join()
    observer.log(f"a forked process ended with {forked.exitcode}")
    observer.table("numbers", [{"method": "reg", "n": 20}, {"method": "random", "n": 20}])
    observer.markdown(
        "summary", "![All is well](pictures/pixel.png)", [("pictures/pixel.png", PIXEL)]
    )
    observer.image("picture", PIXEL, "a red pixel")
    write_cache(Path(f"{name}-{dataset}.h5"), arrays, {}, {}, Provenance(name, "f00d"))
    remove_shards(plan)


if __name__ == "__main__":
    stage, num_shards, pause_s = sys.argv[1:]
    run_stage(stage, lambda observer: run(stage, int(num_shards), float(pause_s), observer))
