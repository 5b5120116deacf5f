"""Every stage before `train`, and loading, at ten times the pictures against linear growth."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.made.world import World, WorldSizes, project_folder, write_larger, write_source
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
    "noun_head.min_count=1",
    "proposals.images_per_shard=20",
    "nouns.phrases_per_shard=100",
)
SMALL, LARGE, LOADING, SPENT = "small", "large", "loading", Path("spent.json")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
Spent = Mapping[str, Mapping[str, tuple[float, float]]]  # stage -> world -> seconds, peak KiB


WORLD = WorldSizes(30, size_wh=(128, 96))


@dataclass(frozen=True)
class GrowthSizes:
    """How much there is, and how many times as many pictures."""

    world: WorldSizes = WORLD
    times: int = 10
    rounds: int = 4


def measure(sizes: GrowthSizes = GrowthSizes()) -> list[Row]:
    """Return a row of time and one of memory of each stage and of loading."""
    source, spent = PARAMS_FILE.resolve(), list[Spent]()
    with project_folder() as folder:
        shutil.copy(source, PARAMS_FILE.name)
        apply_values(PARAMS_FILE, [parse_assignment(change) for change in CHANGES])
        world = write_source(sizes.world, read_params(), SMALL)
        write_larger(world, sizes.world.images * sizes.times, LARGE)
        code = f"from {__name__} import main; main()"
        for _ in range(sizes.rounds):
            run_python(code, folder)
            spent.append(json.loads(SPENT.read_text(encoding="utf-8")))
    return [row for name in spent[0] for row in rows_of(name, spent, sizes)]


def rows_of(name: str, spent: list[Spent], sizes: GrowthSizes) -> list[Row]:
    """Return the rows of one stage."""
    pairs = [(one[name][SMALL], one[name][LARGE]) for one in spent]
    what = f"stage {name}" if name != LOADING else "loading of training batches"
    many = f"{sizes.world.images * sizes.times} pictures"
    few = f"{sizes.world.images} pictures"
    times = tuple(large[0] / small[0] / sizes.times for small, large in pairs)
    peaks = tuple(large[1] / small[1] for small, large in pairs)
    note = "small networks, so that all else shows; what is paid once a run is in both"
    return [
        Row(
            f"growth_{name}",
            f"{what}: time a picture at {many}",
            f"the same at {few}",
            at_most(1.05),
            times,
            CPU,
            note if name != LOADING else "",
        ),
        Row(
            f"memory_{name}",
            f"{what}: peak memory at {many}",
            f"the same at {few}",
            at_most(1.05),
            peaks,
            MEMORY,
        ),
    ]


def main() -> None:
    """Run every stage on the small world twice and on the large one once, and write what it took.

    It is a process of its own, so that its memory holds nothing else; the first run is not timed.
    """
    torch.set_num_threads(1)
    params = read_params()
    small, large = (
        World(DatasetFiles(name), params, WorldSizes(0)).stages() | {LOADING: loading(name)}
        for name in (SMALL, LARGE)
    )
    spent: dict[str, dict[str, tuple[float, float]]] = {}
    for name in small:
        small[name]()
        spent[name] = {SMALL: cost_of(small[name]), LARGE: cost_of(large[name])}
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


def cost_of(work: Work) -> tuple[float, float]:
    """Return the CPU seconds of some work, and the most memory in KiB held while it ran."""
    _RESET.write_text("5")
    seconds = mean_seconds(work)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="utf-8"))
    return seconds, float(peak)
