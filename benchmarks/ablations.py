"""Train and evaluate many settings from the caches, several seeds each: mean and sd of the hits.

`python -m benchmarks.ablations benchmarks/flickr30k_ablations.yaml` trains what the file names on
the first images of the training split, all in one process, and judges it on the other splits.
Where backbone and text encoder are frozen and pictures are not changed, both encode every image and
phrase once for all trainings. Each training adds a row to a CSV file, which a later call goes on;
`--shards 2 --shard 0` does every second one. With `--table` it only prints what is there.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from models.grounder.checkpoint import SavedGrounder
from models.training.remembered import FrozenMemory, remember_frozen
from models.training.training_step import TrainingStep
from pipeline.evaluation.inference import Inference, compute_answers
from pipeline.evaluation.metrics import score_boxes
from pipeline.evaluation.phrase_results import evaluation_splits
from pipeline.freed_memory import keep_freed_memory
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params, train_params
from pipeline.params.reader import build, read_yaml
from pipeline.params.schema import Params
from pipeline.params.train import TrainParams
from pipeline.paths import DatasetFiles, image_folder
from pipeline.records import GroundTruth, read_records
from pipeline.runtime import pick_device, seed_everything
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.training.processes import Machine, ProcessGroup
from stages.train import build_training, train

MemoryOf = Callable[[TrainParams], FrozenMemory]  # shared by settings of the same frozen encoders
METHODS = ("reg", "proposal", "refined")
COLUMNS = ("setting", "seed", "images", "phrases", *METHODS, "minutes")


@dataclass(frozen=True)
class Ablations:
    """What such a file holds.

    Attributes:
        dataset: a key of params.yaml `datasets`; its caches must be there.
        train_images: the first so many of the training split; 0: all.
        seeds: of each setting.
        train: what differs from params.yaml `train` in every setting, by dotted key.
        settings: what differs in each; the first is what the others are compared with.
        cams: caches of maps that take the place of the dataset's in some settings.
    """

    dataset: str
    train_images: int
    seeds: tuple[int, ...]
    train: dict[str, Any]
    settings: dict[str, dict[str, Any]]
    cams: dict[str, str]


@dataclass(frozen=True)
class OtherCams(DatasetFiles):
    """The files of a dataset with another cache of maps; the empty path stands for its own."""

    path: str = ""

    @property
    @override
    def cams(self) -> Path:
        """Cache of the cams stage."""
        return Path(self.path) if self.path else super().cams


def measure(params: Params, wanted: Ablations, setting: str, seed: int, memory_of: MemoryOf) -> Any:
    """Train one setting from one seed and return its row."""
    section = section_of(params, wanted, setting, seed)
    memory = memory_of(section)
    files = OtherCams(wanted.dataset, path=wanted.cams.get(setting, ""))
    pictures = image_folder(wanted.dataset, params.datasets[wanted.dataset])
    group = ProcessGroup(0, 1, pick_device(params.runtime.device))
    machine = Machine(group, params.runtime.workers, Observer(f"{setting}, seed {seed}"))
    seed_everything(seed)
    all_images = GroundingTables.from_caches(files, pictures, ("train",))
    training = first_images(all_images, wanted.train_images)
    training = training.with_labels_compared(section.labels, files.weights)
    step, dataset = build_training(files, training, section, group.device)
    remember_frozen(step.grounder, memory, section.augment.changes_pictures)
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train(step, dataset, section, Path(folder), machine)
    minutes = (time.process_time() - begin) / 60
    tables = GroundingTables.from_caches(files, pictures, evaluation_splits(files.phrases))
    tables = tables.with_labels_compared(section.labels, files.weights)
    hits = judge(step, dataset, tables, read_records(files.ground_truth, GroundTruth), params)
    found = dict(zip(METHODS, (f"{100 * hit:.3f}" for hit in hits.mean(axis=0)), strict=True))
    sizes = {"images": len(training.images), "phrases": len(hits)}
    return {"setting": setting, "seed": seed, **sizes, **found, "minutes": f"{minutes:.2f}"}


def section_of(params: Params, wanted: Ablations, setting: str, seed: int) -> TrainParams:
    """Return the `train` section as one setting and seed have it.

    Raises:
        ParamsError: a key that `train` does not have is changed.
    """
    changes = {**wanted.train, **wanted.settings[setting], "seed": seed}
    return train_params(replace(params, variants={setting: changes}), setting)


def first_images(tables: GroundingTables, count: int) -> GroundingTables:
    """Return the tables of the first images alone; 0 keeps all."""
    images = tables.images[: count or None]
    kept = {image.image_id for image in images}
    phrases = [phrase for phrase in tables.phrases if phrase.image_id in kept]
    return replace(tables, images=images, phrases=phrases)


def judge(
    step: TrainingStep,
    trained_on: GroundingDataset,
    tables: GroundingTables,
    truths: Sequence[GroundTruth],
    params: Params,
) -> Any:
    """Return which phrases each of `METHODS` hits, float64 (phrases, methods)."""
    step.eval()
    text = trained_on.text
    saved = SavedGrounder(step.grounder, text.tokenize.tokenizer, text.vocabulary.words)
    device = step.grounder.phrase_embedding.weight.device
    inference = Inference(saved, trained_on.spec, device, params.runtime.workers)
    answers, _ = compute_answers(inference, tables, params.evaluate, Observer("judge"))
    truth_of = {truth.phrase_id: truth.boxes_xyxy for truth in truths}
    image_hw = {image.image_id: image.image_hw for image in tables.images}
    rows = []
    for phrase in tables.phrases:
        boxes = np.stack([answers[phrase.phrase_id].boxes_xyxy[name] for name in METHODS])
        asked = (truth_of[phrase.phrase_id], image_hw[phrase.image_id], params.evaluate.iou)
        rows.append(score_boxes(boxes, *asked)[:, 0])
    return np.stack(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows that are there, none without a file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Append a row in one write, after the header if the file is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        if stream.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def table(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table: mean and sd over seeds, difference from the first."""
    yield "| setting | n | " + " | ".join(METHODS) + " | from the first | CPU minutes |"
    yield "|---" * (len(METHODS) + 4) + "|"
    names = list(dict.fromkeys(row["setting"] for row in rows))
    base = statistics.mean(_values(rows, names[0], "refined")) if names else 0.0
    for name in names:
        cells = [_spread(_values(rows, name, method)) for method in METHODS]
        change = statistics.mean(_values(rows, name, "refined")) - base
        minutes = statistics.mean(_values(rows, name, "minutes"))
        count = len(_values(rows, name, "minutes"))
        yield f"| {name} | {count} | {' | '.join(cells)} | {change:+.1f} | {minutes:.1f} |"


def _values(rows: Sequence[dict[str, str]], setting: str, column: str) -> list[float]:
    return [float(row[column]) for row in rows if row["setting"] == setting]


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def main() -> None:
    """Do what is left of a file of ablations, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="names dataset, settings and seeds")
    parser.add_argument("--out", type=Path, help="default: results/DATASET/FILE.csv")
    parser.add_argument("--shards", type=int, default=1, help="parts of the work")
    parser.add_argument("--shard", type=int, default=0, help="the part to do, from 0")
    parser.add_argument("--remember-gb", type=int, default=8, help="of what frozen encoders say")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    given = parser.parse_args()
    params, wanted = read_params(), build(Ablations, read_yaml(given.file), given.file.name)
    out = given.out or Path("results") / wanted.dataset / f"{given.file.stem}.csv"
    tasks = [(setting, seed) for seed in wanted.seeds for setting in wanted.settings]
    mine = [] if given.table else tasks[given.shard :: given.shards]
    keep_freed_memory()
    memories: dict[tuple[Any, ...], FrozenMemory] = {}

    def memory_of(section: TrainParams) -> FrozenMemory:
        model, limit = section.model, given.remember_gb << 30
        encoders = (model.backbone, model.depth, section.precision, section.fold_batch_norms)
        return memories.setdefault(encoders, FrozenMemory(limit))

    for setting, seed in mine:
        done = {(row["setting"], int(row["seed"])) for row in read_rows(out)}
        if (setting, seed) not in done:
            add_row(out, measure(params, wanted, setting, seed, memory_of))
    order = list(wanted.settings)
    rows = [row for row in read_rows(out) if row["setting"] in order]
    print(*table(sorted(rows, key=lambda row: order.index(row["setting"]))), sep="\n")


if __name__ == "__main__":
    main()
