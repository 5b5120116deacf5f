"""Refuse a loss that is not finite: what a training that blew up has."""

import math

from torch import Tensor

from models.given_files.safe_load import NonFiniteError


def check_loss(loss: float | Tensor, step: int, steps_per_epoch: int) -> None:
    """Check the loss of one step of a training.

    Args:
        loss: a scalar.
        step: of the whole training, counted from 0.
        steps_per_epoch: of the training.

    Raises:
        NonFiniteError: names step and epoch, counted from 1.
    """
    value = float(loss.detach() if isinstance(loss, Tensor) else loss)
    if not math.isfinite(value):
        epoch = step // steps_per_epoch + 1
        raise NonFiniteError(f"the loss is {value} at step {step + 1}, in epoch {epoch}")
