"""Stack samples of unequal numbers of phrases, proposals, tokens and words into one batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Sample = Mapping[str, NDArray[Any]]

_PADDING = {"noun_classes": -1}  # zero and False for all others


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Return a batch: each array of the samples padded to the largest of its name, then stacked.

    Args:
        samples: of `GroundingDataset`, at least one.

    Returns:
        The fields of the grounder's inputs by name, B samples first; masks are True where an entry
        is real.
    """
    return {
        name: torch.from_numpy(_stack([sample[name] for sample in samples], _PADDING.get(name, 0)))
        for name in samples[0]
    }


def _stack(arrays: Sequence[NDArray[Any]], padding: int) -> NDArray[Any]:
    shape = tuple(max(sides) for sides in zip(*(array.shape for array in arrays), strict=True))
    if all(array.shape == shape for array in arrays):
        return np.stack(arrays)  # (B, ...)
    stacked = np.full((len(arrays), *shape), padding, arrays[0].dtype)  # (B, ...)
    for target, array in zip(stacked, arrays, strict=True):
        target[tuple(slice(side) for side in array.shape)] = array
    return stacked
