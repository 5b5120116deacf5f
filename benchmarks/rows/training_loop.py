"""The time of a training step outside the model: loader, copies, hooks, logging."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.made.world import (
    CPU,
    PICTURES,
    SilentObserver,
    WorldSizes,
    project_folder,
    write_source,
)
from benchmarks.ratios.row import Row, at_most
from benchmarks.ratios.timing import WALL
from benchmarks.step_cost import read_with
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.training.processes import Machine, ProcessGroup
from stages.train import build_training, train

WORLD = WorldSizes(180, size_wh=(192, 144))
Span = tuple[float, float]  # begin and end of a step


@dataclass(frozen=True)
class LoopSizes:
    """How many pictures, epochs and workers there are, and what changes in params.yaml."""

    world: WorldSizes = WORLD
    epochs: int = 5
    workers: int = 1
    changes: tuple[str, ...] = ()


def measure(sizes: LoopSizes = LoopSizes()) -> list[Row]:
    """Return the row of the drawn world's training; each epoch is a round."""
    made = ["cams.image_px=64", "proposals.score_floor=0.2", f"train.epochs={sizes.epochs}"]
    params = read_with([*made, *sizes.changes])
    batch = params.train.batch_images
    with project_folder():
        world = write_source(sizes.world, params)
        for name, stage in world.stages().items():
            if name != "noun_head":
                stage()
        tables = GroundingTables.from_caches(world.files, PICTURES, ("train",))
        step, dataset = build_training(world.files, tables, params.train, CPU)
        spans: list[Span] = []
        vars(step)["train_step"] = noting_spans(step.train_step, spans)
        machine = Machine(ProcessGroup(0, 1, CPU), sizes.workers, SilentObserver("bench"))
        folder = Path("training")
        folder.mkdir()
        train(step, dataset, params.train, folder, machine)
        ratios = tuple(outside(spans, sizes.epochs))
    return [
        Row(
            "outside_the_model",
            f"training of the drawn world's grounder: time outside of forward, losses, backward "
            f"and update, {batch} pictures of {params.train.image_px} px a step",
            "the whole step",
            at_most(0.05),
            ratios,
            WALL,
            f"{sizes.workers} loader worker{'s' * (sizes.workers > 1)} beside one thread of the "
            "model; from the second step of each epoch on",
        )
    ]


def noting_spans(work: Callable[..., Any], spans: list[Span]) -> Callable[..., Any]:
    """Return a function that does the work and appends when it began and ended."""

    def noting(*arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        result = work(*arguments, **named)
        spans.append((begin, time.perf_counter()))
        return result

    return noting


def outside(spans: list[Span], epochs: int) -> Iterator[float]:
    """Yield of each epoch, from the end of its first step on, the share of time without a step."""
    per_epoch = len(spans) // epochs
    for start in range(0, len(spans), per_epoch):
        own = spans[start : start + per_epoch]
        waited = sum(later[0] - earlier[1] for earlier, later in pairwise(own))
        yield waited / (own[-1][1] - own[0][1])
