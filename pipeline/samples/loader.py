"""Stack samples of unequal numbers of phrases, proposals, tokens and words into one batch."""

import gc
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.sampler import SampleIndex

Sample = Mapping[str, NDArray[Any]]

_PADDING = {"noun_classes": -1, "relations": -1}  # zero and False for all others


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


def build_loader(
    dataset: GroundingDataset,
    sample_indices: Iterable[SampleIndex],
    batch_images: int,
    workers: int,
) -> DataLoader[dict[str, Tensor]]:
    """Return batches of samples, in order, made by so many processes beside this one (0: by this).

    Args:
        dataset: makes samples.
        sample_indices: a list or a sampler; it is iterated anew for every pass.
        batch_images: samples in a batch; the last one may have fewer.
        workers: processes; they change nothing in the batches.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_size=batch_images,
        sampler=sample_indices,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # keeps the global one untouched
        worker_init_fn=_share_pages,
    )


def _share_pages(_worker: int) -> None:
    """Keep the garbage collection of a worker off the objects, and so the pages, of its parent."""
    gc.freeze()


def _stack(arrays: Sequence[NDArray[Any]], padding: int) -> NDArray[Any]:
    shape = tuple(max(sides) for sides in zip(*(array.shape for array in arrays), strict=True))
    if all(array.shape == shape for array in arrays):
        return np.stack(arrays)  # (B, ...)
    stacked = np.full((len(arrays), *shape), padding, arrays[0].dtype)  # (B, ...)
    for target, array in zip(stacked, arrays, strict=True):
        target[tuple(slice(side) for side in array.shape)] = array
    return stacked
