"""Refuse numbers that are not finite: what a training that blew up leaves."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.safe_load import ModelFileError


class NonFiniteError(ModelFileError):
    """A loss, a gradient or a weight is NaN or infinite; the message names it."""


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


def check_weights(state: Mapping[str, Any], where: object) -> None:
    """Check every floating-point tensor of a state dict; its other values are left alone.

    Args:
        state: tensors by name.
        where: the file or model that they are of, for the message.

    Raises:
        NonFiniteError: names the first tensor that holds NaN or infinity.
    """
    for name, weight in state.items():
        if isinstance(weight, Tensor) and not weight.isfinite().all():
            raise NonFiniteError(f"{where}: the weight {name} holds values that are not finite")
