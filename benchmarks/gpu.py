"""The paper's size on the device at hand: `python -m benchmarks.gpu`, under ten minutes on a GPU.

It runs the tests that need CUDA, takes training steps of the profiles `default` and `paper` with
random weights and batches, and rebuilds the drawn world from nothing. Of the steps it prints images
and phrases a second, peak memory, seconds by part, and the share of the roofline floor: the larger
of counted FLOPs over the FLOP/s of a matrix product and least bytes over the bytes/s of a copy,
both measured just before. The mark is half of the floor. `--device cpu --size tiny` does the same
with small sizes. Exit status 1 if something failed; a missed mark is no failure.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.roofline import Limits, count_work, least_bytes, measure_limits, timed, wait
from benchmarks.step_cost import build_step, peak_gib, random_batch, read_with
from models.training.training_step import DTYPES, TrainingStep
from pipeline.params.read import train_params
from pipeline.params.train import TrainParams
from pipeline.runtime import seed_everything
from stages.train import build_optimiser

ROOT = Path(__file__).resolve().parents[1]
PROFILES = {"default": ("default",), "paper": ("default", "paper")}
TINY = (  # what runs on any machine in a minute
    "train.precision=fp32",
    "train.image_px=96",
    "train.batch_images=2",
    "train.accumulate_batches=2",
    "train.phrases_per_image=2",
    "train.augment.scales=1",
    "train.language={hidden: 32, heads: 2, vocabulary: 200}",
    "train.model.embed_dim=32",
    "train.model.depth=1+1",
    "train.model.heads=2",
    "train.model.ffn_dim=32",
    "train.model.proposal_dim=32",
    "train.model.decoder_dim=32",
    "train.model.fusion_layers=1",
    "train.loss.mining_px=64",
)
MARK = 0.5
TESTS_TIMEOUT_S = 150


@dataclass(frozen=True)
class Steps:
    """What training steps of a profile cost.

    Attributes:
        name: of the profile.
        image_px: side of its pictures.
        images, phrases: in a step.
        seconds: of a step, with its share of an update of the weights; the median of several runs
            from one update to the next.
        peak_gib: the most memory held.
        parts: seconds by part, of steps that wait for the device after each part.
        flops, bytes: of a step: counted, and the least that must be moved.
        limits: of the device, at the profile's precision.
    """

    name: str
    image_px: int
    images: int
    phrases: int
    seconds: float
    peak_gib: float
    parts: dict[str, float]
    flops: float
    bytes: float
    limits: Limits

    @property
    def floor_s(self) -> float:
        """The least seconds that a step could take on this device."""
        return max(self.flops / self.limits.flops, self.bytes / self.limits.bytes)


def measure_steps(
    name: str, params: TrainParams, arch: str, device: torch.device, count: int
) -> Steps:
    """Take steps that warm up, as many timed whole, and `count` timed by part.

    Args:
        name: of the profile.
        params: of the training.
        arch: of the classifier.
        device: of the model.
        count: at least so many steps, rounded up to whole updates.
    """
    seed_everything(params.seed)  # deterministic algorithms, as in a training
    limits = measure_limits(
        device, DTYPES[params.precision], 8192 if device.type == "cuda" else 512
    )
    step = build_step(params, arch, device)
    optimiser = build_optimiser(step.grounder, params)
    step.progress = 1.0
    batch = random_batch(params, params.batch_images)
    flops, saved = count_work(step, batch)
    if device.type == "cuda":  # of the steps, not of what was measured before
        torch.cuda.reset_peak_memory_stats(device)
    per_update = params.accumulate_batches

    def to_an_update() -> None:
        for _ in range(per_update):
            step.train_step(batch, optimiser)

    runs = range(-(-count // per_update))
    for _ in runs:
        to_an_update()
    seconds = [timed(to_an_update, device) / per_update for _ in runs]
    peak = peak_gib(device)
    parts = by_part(step, batch, optimiser.optimizer, count)
    parts["optimiser"] /= per_update
    return Steps(
        name,
        params.image_px,
        params.batch_images,
        params.batch_images * params.phrases_per_image,
        median(seconds),
        peak,
        parts,
        flops,
        least_bytes(step.grounder, saved, per_update),
        limits,
    )


def by_part(
    step: TrainingStep, batch: dict[str, Tensor], optimiser: torch.optim.Optimizer, count: int
) -> dict[str, float]:
    """Return the mean seconds of each part of forward pass, backward pass and update."""
    sums: dict[str, float] = {}
    grounder = step.grounder
    device = grounder.phrase_embedding.weight.device
    parts = {
        "backbone": grounder.visual_encoder.backbone,
        "visual encoder": grounder.visual_encoder,
        "text encoder": grounder.language_encoder,
        "CAM encoder": grounder.cam_encoder,
        "fusion": grounder.fusion,
        "proposals": grounder.proposal_encoder,
        "scorer": grounder.scorer,
        "decoder": grounder.decoder,
        "grounder": grounder,
    }
    with _hooks(parts, sums, device):
        for _ in range(count):
            started = time.perf_counter()
            loss = step(**step.data_preprocessor(batch))["loss"]
            wait(device)
            forward_s = time.perf_counter() - started
            sums["forward"] = sums.get("forward", 0.0) + forward_s
            backward_s = timed(loss.backward, device)
            sums["backward"] = sums.get("backward", 0.0) + backward_s
            update_s = timed(optimiser.step, device)
            sums["optimiser"] = sums.get("optimiser", 0.0) + update_s
            step.zero_grad()
    return _apart({name: total / count for name, total in sums.items()})


def _apart(seconds: dict[str, float]) -> dict[str, float]:
    """Take each part out of the part that holds it."""
    whole, grounder = seconds.pop("forward"), seconds.pop("grounder")
    backward, update = seconds.pop("backward"), seconds.pop("optimiser")
    seconds["visual encoder"] -= seconds["backbone"]
    rest = grounder - sum(seconds.values())
    return seconds | {
        "other layers": rest,
        "losses, mining included": whole - grounder,
        "backward": backward,
        "optimiser": update,
    }


@contextmanager
def _hooks(
    parts: Mapping[str, nn.Module | None], sums: dict[str, float], device: torch.device
) -> Iterator[None]:
    """Add the seconds of each module's forward passes to `sums`, by its name."""
    began: dict[str, float] = {}
    handles = []

    def begin(name: str) -> None:
        wait(device)
        began[name] = time.perf_counter()

    def end(name: str) -> None:
        wait(device)
        sums[name] = sums.get(name, 0.0) + time.perf_counter() - began[name]

    for name, module in parts.items():
        if module is not None:
            handles += [
                module.register_forward_pre_hook(lambda *_, name=name: begin(name)),
                module.register_forward_hook(lambda *_, name=name: end(name)),
            ]
    yield
    for handle in handles:
        handle.remove()


def run_tests() -> str:
    """Run the tests that need CUDA, and return what pytest says of them last."""
    files = [
        str(file)
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.gpu" in file.read_text(encoding="utf-8")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", *files]
    return _last_line(command, ROOT, TESTS_TIMEOUT_S)


def rebuild_world(size: str, device: torch.device, timeout_s: float) -> str:
    """Rebuild the drawn world in a copy of the project; return seconds and table of results.

    Raises:
        RuntimeError: it failed or took too long.
    """
    from tests.end_to_end.project import clone

    with tempfile.TemporaryDirectory() as folder:
        project = clone(Path(folder))
        if size == "full":
            project.folder.joinpath("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        project.set(runtime__device=device.type)
        started = time.monotonic()
        dvc = [sys.executable, "-m", "dvc", "repro"]
        _last_line(dvc, project.folder, timeout_s, project.environment())
        results = project.python("-m", "pipeline.tables").stdout.strip()
        return f"rebuilt in {time.monotonic() - started:.0f} s\n{results}"


def _last_line(
    command: Sequence[str],
    folder: Path,
    timeout_s: float,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run a command; return the last line that it wrote.

    Args:
        command: with its arguments.
        folder: where it runs.
        timeout_s: it may take.
        variables: its environment; None: that of this process.

    Raises:
        RuntimeError: it failed or took too long; the message holds its last lines.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        seen = (error.stdout or b"").decode(errors="replace")[-300:]
        raise RuntimeError(f"{' '.join(command[1:4])}: more than {timeout_s} s: {seen}") from error
    if done.returncode not in (0, 5):  # 5: pytest found no such test
        raise RuntimeError(f"{' '.join(command[1:4])}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return re.sub(r"=+", "", done.stdout.strip().rpartition("\n")[2]).strip()


def table(rows: Sequence[Steps]) -> str:
    """Return the measured steps as Markdown, a column per profile."""
    lines = [
        ("", [f"{one.name}, {one.image_px} px" for one in rows]),
        ("images a second", [f"{one.images / one.seconds:.2f}" for one in rows]),
        ("phrases a second", [f"{one.phrases / one.seconds:.2f}" for one in rows]),
        ("ms a step", [f"{1000 * one.seconds:.1f}" for one in rows]),
        ("peak memory, GiB", [f"{one.peak_gib:.2f}" for one in rows]),
        ("TFLOP a step", [f"{one.flops / 1e12:.3f}" for one in rows]),
        ("GB moved at least", [f"{one.bytes / 1e9:.2f}" for one in rows]),
        ("TFLOP/s of a product", [f"{one.limits.flops / 1e12:.3g}" for one in rows]),
        ("GB/s of a copy", [f"{one.limits.bytes / 1e9:.3g}" for one in rows]),
        ("floor, ms", [f"{1000 * one.floor_s:.1f}" for one in rows]),
        (f"share of the floor (mark {MARK})", [f"{one.floor_s / one.seconds:.2f}" for one in rows]),
        *(
            (f"{part}, ms", [f"{1000 * one.parts.get(part, 0.0):.1f}" for one in rows])
            for part in rows[0].parts
        ),
    ]
    written = [f"| {name} | {' | '.join(cells)} |" for name, cells in lines]
    return "\n".join([written[0], "|---" * (len(rows) + 1) + "|", *written[1:]])


def measure_all(device: torch.device, size: str, count: int) -> str:
    """Return the table of the profiles; should one fail, the others are in the error's message.

    Each is measured in a process of its own, so that peaks of memory do not mix.

    Raises:
        RuntimeError: a profile could not be measured, for want of memory, say.
    """
    arch, rows, failures = "resnet50" if size == "full" else "resnet18", list[Steps](), list[str]()
    for name, profiles in PROFILES.items():
        files = [str(ROOT / "profiles" / f"{profile}.yaml") for profile in profiles]
        params = train_params(read_with([*files, *(TINY if size == "tiny" else ())]), "full")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            measured = process.submit(measure_steps, name, params, arch, device, count)
            try:
                rows.append(measured.result())
            except RuntimeError as error:  # so is CUDA's out of memory
                failures.append(f"{name}: {error}")
    written = f"\n{table(rows)}" if rows else ""
    if failures:
        raise RuntimeError("; ".join(failures) + written)
    return written


def main() -> None:
    """Run the parts and print what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="default: %(default)s"
    )
    parser.add_argument(
        "--size", choices=("full", "tiny"), default="full", help="of the networks and batches"
    )
    parser.add_argument("--steps", type=int, default=10, help="that are timed")
    parser.add_argument("--only", default="steps,tests,world", help="default: %(default)s")
    parser.add_argument(
        "--limit", type=float, default=400.0, help="seconds that the world may take"
    )
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: PyTorch finds no CUDA device; try --device cpu --size tiny")
    device, failed, started = torch.device(given.device), False, time.monotonic()
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    parts: dict[str, Callable[[], str]] = {
        "steps": lambda: measure_all(device, given.size, given.steps),
        "tests": run_tests,
        "world": lambda: rebuild_world(given.size, device, given.limit),
    }
    for part in given.only.split(","):
        try:
            print(f"{part}: {parts[part]()}", flush=True)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            failed = True
            print(f"{part} failed: {error}", flush=True)
    print(f"{time.monotonic() - started:.0f} s in all")
    sys.exit(failed)


if __name__ == "__main__":
    main()
