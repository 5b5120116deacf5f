"""Read weight files that somebody else wrote, without running what may be hidden in them."""

import pickle
from pathlib import Path
from typing import Any

import torch


class WeightFileError(ValueError):
    """A weight file cannot be read; the message names file and cause."""


def load_weights(path: Path) -> dict[str, Any]:
    """Return the mapping in a PyTorch weight file: tensors and plain values alone.

    Raises:
        WeightFileError: the file is missing, cut off, no weight file, or holds more than that.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightFileError(f"{path}: is no whole weight file: {_first_line(error)}") from error
    except pickle.UnpicklingError as error:
        raise WeightFileError(
            f"{path}: is no weight file, or holds code that will not be run: {_first_line(error)}"
        ) from error
    if not isinstance(content, dict):
        raise WeightFileError(f"{path}: holds {type(content).__name__}, not a mapping of tensors")
    return content


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
