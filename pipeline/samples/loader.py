"""Stack samples of unequal numbers of phrases, proposals, tokens and words into one batch."""

import gc
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset
from typing_extensions import override

from pipeline.errors import InputError
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.sampler import SampleIndex

Sample = Mapping[str, NDArray[Any]]

_LOST = re.compile(r"DataLoader worker \(pid(?:\(s\))? (\d+)")  # in PyTorch's messages
_PADDING = {"noun_classes": -1, "relations": -1, "wearers": -1}  # zero and False for all others


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


class GroundingLoader(DataLoader[dict[str, Tensor]]):
    """Batches of samples, made in order; an error names the image at which it happened."""

    def __init__(
        self,
        dataset: GroundingDataset,
        sample_indices: Iterable[SampleIndex],
        batch_images: int,
        workers: int,
    ) -> None:
        """Load what `build_loader` describes."""
        self._in_flight: deque[list[SampleIndex]] = deque()  # asked of workers, not yet yielded
        self._num_yielded = 0
        super().__init__(
            _Answering(dataset),  # type: ignore[arg-type]
            batch_sampler=_Recorded(sample_indices, batch_images, self._in_flight),
            num_workers=workers,
            collate_fn=_collate_or_error,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # keeps the global one untouched
            worker_init_fn=_share_pages,
        )

    @override
    def __iter__(self) -> Iterator[dict[str, Tensor]]:  # type: ignore[override]
        self._in_flight.clear()
        self._num_yielded = 0
        for batch in super().__iter__():
            if isinstance(batch, InputError):
                raise batch
            self._in_flight.popleft()
            self._num_yielded += 1
            yield batch

    @contextmanager
    def naming_lost_samples(self) -> Iterator[None]:
        """Raise the loss of a worker, which may come to light anywhere, with its images.

        Raises:
            InputError: a worker was killed, by the system for want of memory, say.
        """
        try:
            yield
        except RuntimeError as error:
            lost = _LOST.search(str(error))
            if lost is None:
                raise
            names = self._names_of_worker(int(lost[1]))
            raise InputError(
                f"runtime.workers: one of {self.num_workers} processes that make batches was "
                f"killed, at one of the images {', '.join(names)}; were it memory, fewer workers "
                "need less, and 0 is none"
            ) from error

    def _names_of_worker(self, pid: int) -> list[str]:
        """Return the images that a worker was asked for; workers take turns."""
        workers: Any = self._iterator
        numbers = {worker.pid: number for number, worker in enumerate(workers._workers)}
        dataset: Any = self.dataset
        asked = [
            dataset.name_of(sample_index)
            for number, batch in enumerate(self._in_flight, start=self._num_yielded)
            if number % self.num_workers == numbers.get(pid)
            for sample_index in batch
        ]
        return list(dict.fromkeys(asked))


def build_loader(
    dataset: GroundingDataset,
    sample_indices: Iterable[SampleIndex],
    batch_images: int,
    workers: int,
) -> GroundingLoader:
    """Return batches of samples, in order, made by so many processes beside this one (0: by this).

    Args:
        dataset: makes samples.
        sample_indices: a list or a sampler; it is iterated anew for every pass.
        batch_images: samples in a batch; the last one may have fewer.
        workers: processes; they change nothing in the batches.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork
    return GroundingLoader(dataset, sample_indices, batch_images, workers)


class _Answering(Dataset[Sample | InputError]):
    """Returns an `InputError` instead of raising it: it would reach the loader as a traceback."""

    def __init__(self, dataset: GroundingDataset) -> None:
        self._dataset = dataset

    def name_of(self, sample_index: SampleIndex) -> str:
        return self._dataset.name_of(sample_index)

    def __getitem__(self, sample_index: SampleIndex) -> Sample | InputError:
        try:
            return self._dataset[sample_index]
        except InputError as error:
            return error
        except BaseException as error:
            error.add_note(f"It happened at the image {self.name_of(sample_index)}.")
            raise


class _Recorded(BatchSampler):
    """Notes each batch that is asked for."""

    def __init__(
        self, sampler: Any, batch_images: int, in_flight: deque[list[SampleIndex]]
    ) -> None:
        super().__init__(sampler, batch_images, drop_last=False)
        self._in_flight = in_flight

    @override
    def __iter__(self) -> Iterator[list[Any]]:
        for batch in super().__iter__():
            self._in_flight.append(cast("list[SampleIndex]", batch))
            yield batch


def _collate_or_error(samples: Sequence[Sample | InputError]) -> dict[str, Tensor] | InputError:
    errors = [sample for sample in samples if isinstance(sample, InputError)]
    return errors[0] if errors else collate(cast("Sequence[Sample]", samples))


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
