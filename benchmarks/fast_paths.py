"""What each switch for speed under `train` gives: `python -m benchmarks.fast_paths [PROFILE.yaml]`.

Takes training steps of random weights and pictures in the plain way and with one switch, in turns,
and prints the ratio of their times, plain / fast, as median and range over `--repeats` turns, and
how far the first losses are apart. On the CPU the times are CPU times. Both ways of `remember` keep
the encoders frozen, and its batches come again, as in a second epoch.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch

from benchmarks.step_cost import add_values_argument, build_step, random_batch, read_with
from models.training.training_step import Batch, TrainingStep
from pipeline.freed_memory import keep_freed_memory
from pipeline.params.read import train_params
from pipeline.params.train import AugmentParams, TrainParams
from pipeline.runtime import pick_device
from stages.train import build_optimiser

STILL = AugmentParams(flip=0.0, jitter=0.0, crop=0.0, scales=1, translate=False)
FROZEN: Mapping[str, Any] = {"learning_rate_pretrained": 0.0, "augment": STILL}
SWITCHES: dict[str, Mapping[str, Any]] = {
    "bf16": {"precision": "bf16"},
    "channels_last": {"channels_last": True},
    "fold_batch_norms": {"fold_batch_norms": True},
    "compile": {"compile": True},
    "remember": {"remember": True},
}
BATCHES = 2


@dataclass(frozen=True)
class Gain:
    """What a switch gives.

    Attributes:
        ratios: time of the plain way / time with the switch, of each turn.
        loss_gap: largest difference of a loss in the first step.
    """

    ratios: list[float]
    loss_gap: float


def measure(
    params: TrainParams, switch: str, arch: str, device: torch.device, repeats: int
) -> Gain:
    """Take steps both ways in turns; the first turn, which compiles and remembers, is not timed."""
    base = replace(params, **FROZEN) if switch == "remember" else params
    ways = [_start(one, arch, device) for one in (base, replace(base, **SWITCHES[switch]))]
    batches = [random_batch(base, base.batch_images, seed=number) for number in range(BATCHES)]
    losses = [step.train_step(batches[0], optimiser) for step, optimiser in ways]
    gaps = [abs(float(losses[0][name] - losses[1][name])) for name in losses[0]]
    turns = [[_seconds(*way, batches, device) for way in ways] for _ in range(repeats + 1)]
    return Gain([plain / fast for plain, fast in turns[1:]], max(gaps))


def _start(params: TrainParams, arch: str, device: torch.device) -> tuple[TrainingStep, Any]:
    torch.manual_seed(0)
    step = build_step(params, arch, device)
    step.progress = 1.0
    return step, build_optimiser(step.grounder, params)


def _seconds(
    step: TrainingStep, optimiser: Any, batches: Sequence[Batch], device: torch.device
) -> float:
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    started = clock()
    for batch in batches:
        float(step.train_step(batch, optimiser)["loss"])  # waits
    return clock() - started


def main() -> None:
    """Print what each switch gives."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_values_argument(parser)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each switch")
    parser.add_argument("--classifier", default="resnet50", help="asked by attention mining")
    parser.add_argument(
        "--only", choices=SWITCHES, nargs="*", default=[*SWITCHES], help="default: every switch"
    )
    given = parser.parse_args()
    params = read_with(given.given)
    train, device = train_params(params, "full"), pick_device(params.runtime.device)
    keep_freed_memory()
    for switch in given.only:
        gain = measure(train, switch, given.classifier, device, given.repeats)
        low, high = min(gain.ratios), max(gain.ratios)
        print(
            f"{switch}: {median(gain.ratios):.2f} times as fast ({low:.2f} to {high:.2f}, "
            f"n = {len(gain.ratios)}), losses within {gain.loss_gap:.0e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
