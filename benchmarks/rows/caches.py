"""Random reads of a cache against a memory map, and its writing against raw bytes on the disk."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from benchmarks.made.world import SilentObserver, project_folder
from benchmarks.ratios.row import Row, at_most, ratios_of
from benchmarks.ratios.timing import CPU, WALL, in_turns
from pipeline.caching.cache import Cache, Provenance, write_cache
from pipeline.caching.fingerprint import fingerprint
from pipeline.caching.runs import row_offsets
from pipeline.caching.shards import ShardedArray, ShardPlan, remove_shards, run_shards
from pipeline.samples.grounding_tables import ImageRows
from stages import cams

CACHE, RAW = Path("cams.h5"), Path("maps.npy")
NOUNS, BATCH = 100, 64
Arrays = dict[str, NDArray[Any]]
Read = Callable[[int], NDArray[np.float16]]  # the maps of an image, by its number


@dataclass(frozen=True)
class CacheSizes:
    """How many images have so many maps of so many cells a side, and in how many shards."""

    images: int
    maps: int = 10
    cells: int = 8
    shards: int = 16
    workers: int = 2
    rounds: int = 6


READ, WRITTEN = CacheSizes(20_000), CacheSizes(200_000)


class TimedReads(Dataset[tuple[float, NDArray[np.float16]]]):
    """Maps the number of an image to the CPU seconds of reading its maps, and to the maps."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def __getitem__(self, image: int) -> tuple[float, NDArray[np.float16]]:
        started = time.thread_time()
        maps = self._read(image)
        return time.thread_time() - started, maps


def measure_reads(sizes: CacheSizes = READ) -> list[Row]:
    """Return the row of reading every image's maps once, in a loader's order."""
    with project_folder():
        arrays = made_arrays(range(sizes.images), sizes)
        write_maps(arrays, sizes.images)
        np.save(RAW, arrays["maps"])
        order = np.random.default_rng(0).permutation(sizes.images).tolist()
        reads = {"ours": read_of_cache(), "peer": read_of_map(sizes.maps)}
        difference = max(float(np.abs(_loss(reads, image)).max()) for image in order[:100])
        seconds: dict[str, list[float]] = {name: [] for name in reads}
        for _ in range(sizes.rounds):
            for name, read in reads.items():
                seconds[name].append(seconds_of_pass(TimedReads(read), order, sizes.workers))
    return [
        Row(
            "reads",
            f"maps of {sizes.images} images, {sizes.maps} of {sizes.cells} x {sizes.cells} cells, "
            f"in random order by {sizes.workers} workers",
            "slices of numpy's memory map",
            at_most(2.5),
            ratios_of(seconds["ours"], seconds["peer"]),
            CPU,
            "the reads alone, in the workers; ours finds an image by its name and reads its nouns "
            "and confidences, too",
            difference,
        )
    ]


def measure_writes(sizes: CacheSizes = WRITTEN) -> list[Row]:
    """Return the row of a cache's way to the disk: fingerprint, shards, merge, whole file."""
    per_shard = -(-sizes.images // sizes.shards)
    with project_folder():
        made = [
            made_arrays(range(start, min(start + per_shard, sizes.images)), sizes)
            for start in range(0, sizes.images, per_shard)
        ]
        raw = b"".join(array.tobytes() for arrays in made for array in arrays.values())

        def ours() -> None:
            key = fingerprint(Path(cams.__file__), {}, [])
            plan = ShardPlan("cams", key, sizes.images, per_shard)
            arrays = run_shards(
                plan, lambda items: made[items.start // per_shard], SilentObserver("bench")
            )
            write_maps(arrays, sizes.images)
            remove_shards(plan)

        works = {"ours": ours, "raw": lambda: write_raw(raw)}
        seconds = in_turns(works, sizes.rounds, time.perf_counter)
    return [
        Row(
            "writes",
            f"fingerprint, {sizes.shards} shards, merge and cache of {len(raw) / 2**20:.0f} MiB",
            "the same bytes written once, with fsync",
            at_most(3),
            ratios_of(seconds["ours"], seconds["raw"]),
            WALL,
            "shards, which survive a kill, write everything twice and check it twice",
        )
    ]


def made_arrays(images: range, sizes: CacheSizes) -> Arrays:
    """Return maps, nouns and confidences of some images, and how many maps each has."""
    draw, rows = np.random.default_rng(images.start), len(images) * sizes.maps
    return {
        "maps": draw.random((rows, sizes.cells, sizes.cells), np.float32).astype(np.float16),
        "noun_index": draw.integers(0, NOUNS, rows, np.int32),
        "confidences": draw.random(rows, np.float32),
        "counts": np.full(len(images), sizes.maps, np.int64),
    }


def write_maps(arrays: Mapping[str, NDArray[Any] | ShardedArray], num_images: int) -> None:
    """Write them as the stage `cams` does."""
    written = {name: array for name, array in arrays.items() if name != "counts"}
    written["offsets"] = row_offsets(np.asarray(arrays["counts"]))
    texts = {
        "image_id": [str(image) for image in range(num_images)],
        "noun": [f"noun {index}" for index in range(NOUNS)],
    }
    write_cache(CACHE, written, texts, {}, Provenance("cams", "made"))


def write_raw(content: bytes) -> None:
    """Write bytes and wait until they are on the disk."""
    with RAW.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def read_of_cache() -> Read:
    """Return how training reads an image's maps."""
    names = ("noun_index", "maps", "confidences")
    rows = ImageRows.from_cache(Cache(CACHE, stage="cams"), "noun", names)
    return lambda image: rows.of(str(image))["maps"]


def read_of_map(maps: int) -> Read:
    """Return how a memory map of the maps is read, as a copy, where each image has equally many."""
    mapped = np.load(RAW, mmap_mode="r")
    return lambda image: np.array(mapped[image * maps : (image + 1) * maps])


def seconds_of_pass(reads: TimedReads, order: list[int], workers: int) -> float:
    """Return the CPU seconds of all reads of a pass, which the loader's workers took."""
    loader: DataLoader[Any] = DataLoader(
        reads,
        BATCH,
        sampler=order,
        num_workers=workers,
        collate_fn=lambda samples: sum(seconds for seconds, _ in samples),
    )
    return sum(loader)


def _loss(reads: Mapping[str, Read], image: int) -> NDArray[np.float16]:
    return reads["ours"](image) - reads["peer"](image)
