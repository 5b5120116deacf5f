"""Stops a training at the first number that is not finite."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.given_files.safe_load import NonFiniteError, check_weights
from models.mmengine_parts import AmpOptimWrapper, Runner
from pipeline.errors import InputError
from pipeline.training.checkpoints import checkpoint_path

GRAD_NORM = "train/grad_norm"  # where mmengine's wrappers of the optimiser leave it
SMALLEST_LOSS_SCALE = 2.0**-24  # 40 halvings below the first: no gradient has been finite


class FiniteGuard:
    """Checks what is measured, the gradients and the weights; an error says where to look.

    All processes of a training see equal numbers, and so stop together.
    """

    def __init__(self, folder: Path, image_ids: Callable[[int, int], Sequence[str]]) -> None:
        """Guard one training.

        Args:
            folder: of the training's checkpoints.
            image_ids: of the images of a step; of the number of its epoch and its own in the epoch,
                both counted from 0.
        """
        self._folder, self._image_ids = folder, image_ids

    def check_start(self, runner: Runner) -> None:
        """Check the weights before the first step.

        Raises:
            InputError: one is not finite; names the checkpoint if it comes from there.
        """
        checkpoint = checkpoint_path(self._folder, runner.epoch)
        where = f"{checkpoint}: remove it" if runner.epoch else "before the first step"
        try:
            check_weights(runner.model.state_dict(), where)
        except NonFiniteError as error:
            raise InputError(f"train: {error}") from error

    def check_step(self, runner: Runner, index: int, measured: Mapping[str, float]) -> None:
        """Check what was measured in a step, and the norm of its gradient before it was clipped.

        A gradient that a loss scaler (`fp16`) leaves out may be infinite, but not for ever.

        Args:
            runner: of the training.
            index: of the step in its epoch, counted from 0.
            measured: numbers by name.

        Raises:
            InputError: one is not finite.
        """
        self._check(runner, index, {**measured, **_gradient(runner.optim_wrapper)})

    def check_weights(self, runner: Runner) -> None:
        """Check the weights after the last step of an epoch.

        Raises:
            InputError: one is not finite.
        """
        try:
            check_weights(runner.model.state_dict(), "the model")
        except NonFiniteError as error:
            raise self._error(runner, len(runner.train_dataloader) - 1, str(error)) from error

    def check_gap(self, runner: Runner, vision_gap: float) -> None:
        """Check the vision gap, measured on the first batch of an epoch.

        Raises:
            InputError: it is not finite.
        """
        self._check(runner, 0, {"vision_gap": vision_gap})

    def _check(self, runner: Runner, index: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._error(runner, index, f"{name} is {value}")

    def _error(self, runner: Runner, index: int, problem: str) -> InputError:
        step = runner.epoch * len(runner.train_dataloader) + index + 1
        ids = ", ".join(dict.fromkeys(self._image_ids(runner.epoch, index)))
        checkpoint = checkpoint_path(self._folder, runner.epoch)
        kept = f"{checkpoint}, after epoch {runner.epoch}" if runner.epoch else "none yet"
        return InputError(
            f"train: {problem} at step {step}, in epoch {runner.epoch + 1}, on the images {ids}; "
            f"last good checkpoint: {kept}; no model is saved; lower train.learning_rate, or look "
            "at these images"
        )


def _gradient(optimiser: Any) -> dict[str, float]:
    """Return what an mmengine wrapper of an optimiser knows of the last gradient, and forget it."""
    history = optimiser.message_hub.log_scalars.pop(GRAD_NORM, None)
    if isinstance(optimiser, AmpOptimWrapper):
        scale = float(optimiser.loss_scaler.get_scale())
        return {"gradient norm": 0.0 if scale > SMALLEST_LOSS_SCALE else math.inf}
    return {"gradient norm": float(history.current())} if history else {}
