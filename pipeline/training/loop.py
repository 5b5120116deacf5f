"""The loop of a training: mmengine's runner, with our curves, checkpoints and learning rates."""

import math
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from models.given_files.impostors import one_line
from models.mmengine_parts import HistoryBuffer, Hook, MMDistributedDataParallel, Runner
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.train import TrainParams
from pipeline.training.checkpoints import checkpoint_path, write_checkpoint
from pipeline.training.curves import CurveFile
from pipeline.training.guard import FiniteGuard
from pipeline.training.processes import ProcessGroup

STEPS_PER_ROW = 10  # of curves.csv
CURVES = "curves.csv"
_FOREIGN = (  # what mmengine and torch raise on the content of another file
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
_OFF = dict.fromkeys(("logger", "timer", "runtime_info", "checkpoint", "param_scheduler"))


class WatchedStep(Protocol):
    """The part of the trained model that the loop uses.

    Attributes:
        progress: share of the steps that are done, in [0, 1); the loop sets it before every step.
    """

    progress: float

    def vision_gap(self, batch: Mapping[str, Tensor]) -> float:
        """Return how much worse the decoder does when it sees another image's proposal."""
        ...


class Watch(Hook):
    """Seeds every epoch, sets the learning rate, writes curves and checkpoints if all is finite."""

    def __init__(
        self,
        step: WatchedStep,
        params: TrainParams,
        folder: Path,
        observer: Observer,
        guard: FiniteGuard,
    ) -> None:
        self._step, self._params, self._folder, self._observer = step, params, folder, observer
        self._guard = guard

    @override
    def before_train(self, runner: Runner) -> None:
        self._guard.check_start(runner)
        self._curves = CurveFile(self._folder / CURVES, STEPS_PER_ROW, runner.epoch)
        if runner.epoch:
            self._observer.log(f"goes on after epoch {runner.epoch} of {runner.max_epochs}")

    @override
    def before_train_epoch(self, runner: Runner) -> None:
        seeds = np.random.SeedSequence((self._params.seed, runner.epoch, runner.rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # of dropout
        runner.optim_wrapper.zero_grad()
        self._started = time.monotonic()
        steps = len(runner.train_dataloader)
        label = f"epoch {runner.epoch + 1}/{runner.max_epochs}"
        self._bar = iter(self._observer.progress(range(steps), steps, label))

    @override
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._step.progress = runner.iter / runner.max_iters
        factor = cosine_after_warmup(runner.iter, runner.max_iters, self._params.warmup_fraction)
        for param_group in runner.optim_wrapper.optimizer.param_groups:
            param_group["lr"] = param_group["full_lr"] * factor
        if batch_idx == 0:
            self._first_batch = data_batch  # a full one

    @override
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        values = dict(zip(outputs, torch.stack([*outputs.values()]).tolist(), strict=True))
        self._guard.check_step(runner, batch_idx, values)
        rate = {"learning_rate": runner.optim_wrapper.optimizer.param_groups[0]["lr"]}
        self._curves.add(runner.epoch + 1, runner.iter + 1, rate | values)
        next(self._bar, None)

    @override
    def after_train_epoch(self, runner: Runner) -> None:
        next(self._bar, None)
        self._guard.check_weights(runner)
        if runner.rank == 0:
            gap = self._step.vision_gap(self._first_batch)
            self._guard.check_gap(runner, gap)
            row = self._curves.end_epoch(runner.epoch + 1, runner.iter, gap)
            write_checkpoint(runner, self._folder, runner.epoch + 1)
            self._observer.log(
                f"epoch {row['epoch']}/{runner.max_epochs}: loss {row['loss']}, vision gap "
                f"{row['vision_gap']}, {time.monotonic() - self._started:.0f} s"
            )


class GroundingRunner(Runner):
    """mmengine's runner on the device of its process group, without mmengine's logs."""

    def __init__(self, group: ProcessGroup, **settings: Any) -> None:
        self._group = group
        super().__init__(
            default_hooks=_OFF,
            log_level="ERROR",
            launcher="pytorch" if group.num_processes > 1 else "none",
            **settings,
        )

    @override
    def _log_env(self, env_cfg: Any) -> None:
        """Leave out the log of compilers, which mmengine asks for by a shell."""

    @override
    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        model = model.to(self._group.device)
        if self._group.num_processes == 1:
            return model
        devices = None if self._group.device.type == "cpu" else [self._group.device.index]
        return MMDistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)

    @override
    def load_checkpoint(self, filename: str, *arguments: Any, **settings: Any) -> Any:
        return super().load_checkpoint(filename, *arguments, **{**settings, "strict": True})

    @override
    def resume(self, filename: str, *_: Any, **__: Any) -> None:
        """Go on from a checkpoint whose checksums are right.

        Raises:
            InputError: another model, optimiser or data set made it, or something else.
        """
        try:
            with torch.serialization.safe_globals([HistoryBuffer]):  # a checkpoint of our own
                super().resume(filename, map_location="cpu")
            path, steps = Path(filename), self.epoch * len(self.train_dataloader)
            if path != checkpoint_path(path.parent, self.epoch) or self.iter != steps:
                raise ValueError(f"it is of epoch {self.epoch}, step {self.iter}")
        except _FOREIGN as error:
            cause = one_line(error)
            raise InputError(
                f"{filename}: is no checkpoint of this training: {cause}; remove it"
            ) from error


def cosine_after_warmup(step: int, num_steps: int, warmup_fraction: float) -> float:
    """Return the share of the full learning rate: a linear rise, then half a cosine towards 0.

    With w warm-up steps of n, step t (counted from 0) gets (t + 1) / (w + 1) while t < w, then
    (1 + cos(pi (t - w) / (n - w))) / 2 (https://arxiv.org/abs/1608.03983, eq. 5, no restart).

    Args:
        step: steps done before this one.
        num_steps: of the whole training.
        warmup_fraction: share of the steps that the rise takes, in [0, 1).
    """
    warmup = round(warmup_fraction * num_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (1 + math.cos(math.pi * (step - warmup) / (num_steps - warmup))) / 2
