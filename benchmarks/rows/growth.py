"""Every stage before `train`, and loading, at ten times the pictures against linear growth.

What is paid once, such as loading weights, is most of the time of few pictures. So what further
pictures cost is compared: the time that the last thousand takes longer, with what the hundred
before them takes longer.
"""

import gc
import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.made.networks import write_detector
from benchmarks.made.tagger import write_tagger
from benchmarks.made.world import (
    DETECTOR_SCENES,
    TAGGER_STEPS,
    World,
    WorldSizes,
    project_folder,
    write_larger,
    write_source,
)
from benchmarks.ratios.row import Row, at_most
from benchmarks.ratios.timing import CPU, MEMORY, Work, mean_seconds, run_python
from benchmarks.rows.loading import training_dataset
from pipeline.params.profile import apply_values, parse_assignment
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.paths import DatasetFiles
from pipeline.samples.loader import build_loader
from pipeline.samples.sampler import EpochSampler

CHANGES = (  # networks and shards so small that what grows would show beside them
    "train.image_px=96",
    "cams.image_px=64",
    "cams.images_per_shard=20",
    "noun_head.image_px=64",
    "noun_head.images_per_shard=20",
    "noun_head.fit_batch_images=20",
    "noun_head.min_count=1",
    "proposals.images_per_shard=20",
    "nouns.phrases_per_shard=100",
)
SMALL, MIDDLE, LARGE = WORLDS = ("small", "middle", "large")
LOADING, SPENT = "loading", Path("spent.json")
DETECTOR_PX = 96
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
Spent = Mapping[str, Mapping[str, tuple[float, float]]]  # stage -> world -> seconds, peak KiB


WORLD = WorldSizes(30, size_wh=(128, 96))


@dataclass(frozen=True)
class GrowthSizes:
    """How much there is and is done.

    Attributes:
        world: the small one.
        middle: how many more pictures the middle world has.
        large: how many more the large one has.
        rounds: how often all is timed.
        timed_s: of a stage, in seconds: on the smaller worlds it is repeated so long.
    """

    world: WorldSizes = WORLD
    middle: int = 100
    large: int = 1000
    rounds: int = 4
    timed_s: float = 0.5

    @property
    def images(self) -> dict[str, int]:
        """Pictures of each world."""
        small = self.world.images
        middle = small + self.middle
        return {SMALL: small, MIDDLE: middle, LARGE: middle + self.large}


def measure(sizes: GrowthSizes = GrowthSizes()) -> list[Row]:
    """Return a row of time and one of memory of each stage and of loading."""
    source, spent = PARAMS_FILE.resolve(), list[Spent]()
    with project_folder() as folder:
        shutil.copy(source, PARAMS_FILE.name)
        apply_values(PARAMS_FILE, [parse_assignment(change) for change in CHANGES])
        trained = sizes.world.trained or write_trained(Path("trained"))
        world = write_source(replace(sizes.world, trained=trained), read_params(), SMALL)
        for name in (MIDDLE, LARGE):
            write_larger(world, sizes.images[name], name)
        code = f"from {__name__} import main; main({sizes.timed_s})"
        for _ in range(sizes.rounds):
            run_python(code, folder)
            spent.append(json.loads(SPENT.read_text(encoding="utf-8")))
    return [row for name in spent[0] for row in rows_of(name, spent, sizes)]


def write_trained(folder: Path) -> Path:
    """Write tagger and detector; the detector's input is small, so that all else shows."""
    write_tagger(folder / "tagger", TAGGER_STEPS)
    write_detector(folder / "detector", DETECTOR_SCENES, DETECTOR_PX)
    return folder


def rows_of(name: str, spent: list[Spent], sizes: GrowthSizes) -> list[Row]:
    """Return the rows of one stage."""
    what = f"stage {name}" if name != LOADING else "loading of training batches"
    few, some, many = (sizes.images[world] for world in WORLDS)
    times = tuple(dearer(one[name], sizes) for one in spent)
    peaks = tuple(one[name][LARGE][1] / one[name][SMALL][1] for one in spent)
    note = "small networks, so that all else shows; what is paid once a run is in neither"
    return [
        Row(
            f"growth_{name}",
            f"{what}: what a further picture costs, from {some} to {many}",
            f"the same from {few} to {some}",
            at_most(1.05),
            times,
            CPU,
            note if name != LOADING else "",
        ),
        Row(
            f"memory_{name}",
            f"{what}: peak memory at {many} pictures",
            f"the same at {few}",
            at_most(1.05),
            peaks,
            MEMORY,
        ),
    ]


def dearer(cost: Mapping[str, tuple[float, float]], sizes: GrowthSizes) -> float:
    """Return the time of a further picture of the large world over one of the middle world.

    Args:
        cost: seconds and peak memory of each world.
        sizes: of the worlds.
    """
    small, middle, large = (cost[world][0] for world in WORLDS)
    return (large - middle) / sizes.large / ((middle - small) / sizes.middle)


def main(timed_s: float) -> None:
    """Run every stage on all worlds, on the small one once more before, and write what it took.

    It is a process of its own, so that its memory holds nothing else; the first run is not timed.
    """
    torch.set_num_threads(1)
    params = read_params()
    worlds = {
        name: World(DatasetFiles(name), params, WorldSizes(0)).stages() | {LOADING: loading(name)}
        for name in WORLDS
    }
    spent: dict[str, dict[str, tuple[float, float]]] = {}
    for name, small in worlds[SMALL].items():
        small()
        gc.collect()
        gc.freeze()  # the collector's passes over all that is imported would fall anywhere
        repeats = math.ceil(timed_s / max(mean_seconds(small), timed_s / 100))
        spent[name] = {
            world: cost_of(stages[name], repeats if world != LARGE else 1)
            for world, stages in worlds.items()
        }
    SPENT.write_text(json.dumps(spent), encoding="utf-8")


def loading(name: str) -> Work:
    """Return an epoch of batches made in this process."""

    def load() -> None:
        params = read_params()
        world = World(DatasetFiles(name), params, WorldSizes(0))
        dataset = training_dataset(world, params.train)
        phrases, per_image = dataset.tables.phrases_of_image, params.train.phrases_per_image
        sampler = EpochSampler(phrases, per_image, params.train.seed)
        for _ in build_loader(dataset, sampler, params.train.batch_images, 0):
            pass

    return load


def cost_of(work: Work, repeats: int = 1) -> tuple[float, float]:
    """Return the mean CPU seconds of some work, and the most memory in KiB held while it ran."""
    _RESET.write_text("5")
    seconds = mean_seconds(work, repeats)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="utf-8"))
    return seconds, float(peak)
