"""What a training holds in memory when the data are large: `python -m benchmarks.million_images`.

Makes tables and caches of `--images` images in a temporary folder, with three phrases, ten
proposals and two small maps each and one picture for all, then opens them as the stage `train`
does: the tables, the vocabulary, the first batches by two workers. Prints how long that takes and
what the process and its workers hold: RSS counts every page in sight, also those of mapped files
and those that other processes share; `own` are the pages that one process alone has written.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from models.grounder.checkpoint import learn_tokenizer
from models.phrases.place_words import CUES
from pipeline.caching.cache import Provenance, write_cache
from pipeline.caching.runs import row_offsets
from pipeline.params.read import read_params, train_params
from pipeline.params.train import TrainParams
from pipeline.paths import DatasetFiles
from pipeline.samples.dataset import build_training_dataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.loader import build_loader
from pipeline.samples.sampler import EpochSampler

PHRASES, BOXES, MAPS, CELLS = 3, 10, 2, 4  # of an image; cells of a map's side
REPEATS = 8  # of a phrase over all images, on average
HW = (48, 64)
NOUNS = [f"noun{index}" for index in range(1000)]
LABELS = [f"label{index}" for index in range(200)] + NOUNS[:200]
COLOURS = ["red", "left", "big", "small", "right", "striped"]
GIB = 2**30
DATASET = "made"


def make_data(num_images: int, seed: int = 0) -> None:
    """Write here what the stages before `train` leave of made images, all in the split `train`."""
    files, rng = DatasetFiles(DATASET), np.random.default_rng(seed)
    images = [f"image{index:07d}" for index in range(num_images)]
    distinct = max(1, PHRASES * num_images // REPEATS)
    nouns = rng.integers(len(NOUNS), size=distinct)
    phrases = [
        f"{COLOURS[index % len(COLOURS)]} {NOUNS[noun]} {index:x}"
        for index, noun in enumerate(nouns.tolist())
    ]
    used = np.sort(rng.integers(distinct, size=(num_images, PHRASES)))  # (I, PHRASES)
    _write_tables(files, images, phrases, used)
    _write_nouns(files, [phrases[row] for row in np.unique(used)], nouns[np.unique(used)])
    _write_boxes(files, images, rng)
    _write_maps(files, images, rng)


def _write_tables(
    files: DatasetFiles, images: list[str], phrases: list[str], used: NDArray[np.int64]
) -> None:
    folder = files.annotations / "images"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", HW[::-1], (90, 120, 60)).save(folder / "all.png")
    with files.images.open("w") as stream:
        stream.writelines(
            f'{{"image_id": "{image}", "file": "all.png", "image_hw": [{HW[0]}, {HW[1]}], '
            '"split": "train"}\n'
            for image in images
        )
    with files.phrases.open("w") as stream:
        stream.writelines(_phrase_lines(images, phrases, used))


def _phrase_lines(images: list[str], phrases: list[str], used: NDArray[np.int64]) -> Iterator[str]:
    for image, rows in zip(images, used.tolist(), strict=True):
        for number, row in enumerate(rows):
            yield (
                f'{{"phrase_id": "{image}/{number}", "image_id": "{image}", "split": "train", '
                f'"phrase": "{phrases[row]}", "sentence": null, "span": null}}\n'
            )


def _write_nouns(files: DatasetFiles, phrases: list[str], nouns: NDArray[np.int64]) -> None:
    count = len(phrases)
    arrays: dict[str, NDArray[Any]] = {
        "offsets": np.arange(count + 1),
        "noun_index": nouns.astype(np.int32),
        "noun_role": np.zeros(count, np.int8),
        "noun_span": np.zeros((count, 2), np.int32),
        "has_direction": np.zeros(count, np.bool_),
        "is_plural": np.arange(count) % 5 == 0,
        "place_cues": np.zeros((count, len(CUES)), np.bool_),
        "place_rank": np.zeros(count, np.int8),
        "place_side": np.full(count, -1, np.int8),
        "relation": np.full(count, -1, np.int8),
        "anchor_index": np.full(count, -1, np.int32),
        "anchor_span": np.zeros((count, 2), np.int32),
    }
    texts = {"phrase": phrases, "noun": NOUNS, "subject": phrases}
    write_cache(files.nouns, arrays, texts, {}, Provenance("nouns", "made"))


def _write_boxes(files: DatasetFiles, images: list[str], rng: np.random.Generator) -> None:
    counts = rng.integers(BOXES // 2, BOXES + BOXES // 2 + 1, len(images))
    total = int(counts.sum())
    low = rng.random((total, 2), np.float32) * (HW[1] / 2, HW[0] / 2)
    arrays: dict[str, NDArray[Any]] = {
        "offsets": row_offsets(counts),
        "boxes_xyxy": np.concatenate([low, low + 8], axis=1).astype(np.float32),
        "scores": rng.random(total, np.float32),
        "labels": rng.integers(len(LABELS), size=total, dtype=np.int16),
    }
    texts = {"image_id": images, "label": LABELS}
    attributes = {"detector": "made", "training_set": "none"}
    write_cache(files.proposals, arrays, texts, attributes, Provenance("proposals", "made"))


def _write_maps(files: DatasetFiles, images: list[str], rng: np.random.Generator) -> None:
    total = MAPS * len(images)
    arrays: dict[str, NDArray[Any]] = {
        "offsets": np.arange(len(images) + 1) * MAPS,
        "noun_index": rng.integers(len(NOUNS), size=total, dtype=np.int32),
        "maps": rng.random((total, CELLS, CELLS), np.float32).astype(np.float16),
        "confidences": rng.random(total, np.float32),
    }
    texts = {"image_id": images, "noun": NOUNS}
    attributes = {"scorer": "nounhead", "scorer_settings": '{"prompt": "{}", "backgrounds": []}'}
    write_cache(files.cams, arrays, texts, attributes, Provenance("cams", "made"))


def held(process: psutil.Process) -> str:
    """Return what a process holds, in words."""
    own = sum(part.private_dirty for part in process.memory_maps())
    return f"RSS {process.memory_info().rss / GIB:.2f} GiB, own {own / GIB:.2f} GiB"


def measure(params: TrainParams, workers: int, batches: int) -> Iterator[str]:
    """Open what was made as a training does; yield what each step took and held."""
    files, process = DatasetFiles(DATASET), psutil.Process()
    yield f"imports: {held(process)}"
    started, begun = time.monotonic(), time.process_time()
    tables = GroundingTables.from_caches(files, files.annotations / "images", ("train",))
    tokenizer = learn_tokenizer(NOUNS + COLOURS, 2000)  # stands for that of a pre-trained encoder
    dataset = build_training_dataset(tables, params, tokenizer, NOUNS)
    sampler = EpochSampler(tables.phrases_of_image, params.phrases_per_image, params.seed)
    ready = f"dataset of {len(sampler):,} samples: {time.monotonic() - started:.1f} s"
    yield f"{ready} ({time.process_time() - begun:.1f} of CPU), {held(process)}"
    others = process.children()
    loader = iter(build_loader(dataset, sampler, params.batch_images, workers))
    next(loader)
    yield f"first batch: {time.monotonic() - started:.1f} s, {held(process)}"
    begun = time.monotonic()
    for _ in range(batches):
        next(loader)
    rate = params.batch_images * batches / (time.monotonic() - begun)
    yield f"{batches} batches more: {rate:.0f} samples/s, {held(process)}"
    for number, worker in enumerate(one for one in process.children() if one not in others):
        yield f"worker {number}: {held(worker)}"


def main() -> None:
    """Make the data, open them, and print what that takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000, help="of the data")
    parser.add_argument("--workers", type=int, default=2, help="that read batches")
    parser.add_argument("--batches", type=int, default=200, help="that are read after the first")
    parser.add_argument("--folder", type=Path, help="where the data stay; default: nowhere")
    given = parser.parse_args()
    params = train_params(read_params(), "full")
    with tempfile.TemporaryDirectory() as temporary, chdir(given.folder or temporary):
        if not DatasetFiles(DATASET).cams.exists():
            maker = get_context("spawn").Process(target=make_data, args=(given.images,))
            maker.start()  # what makes the data is not counted
            maker.join()
        for line in measure(params, given.workers, given.batches):
            print(line, flush=True)


if __name__ == "__main__":
    main()
