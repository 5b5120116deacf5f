"""Which phrases of which image make a sample, in which order: a function of seed and epoch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler
from typing_extensions import override

from pipeline.caching.runs import row_offsets
from pipeline.samples.image_phrases import ImagePhrases


@dataclass(frozen=True)
class SampleIndex:
    """One sample: an image and some of its phrases.

    Attributes:
        image_index: of the image in the dataset's table.
        phrase_indices: of the phrases in the dataset's table, at least one.
        seed: of the augmentation; None for none.
    """

    image_index: int
    phrase_indices: tuple[int, ...]
    seed: tuple[int, ...] | None


class EpochSamples(Sequence[SampleIndex]):
    """The samples of an epoch, in arrays: every phrase once, shuffled.

    An image of n phrases makes ceil(n / phrases_per_image) samples of nearly equal numbers of
    phrases, grouped anew in every epoch; how many samples there are is the same in every epoch.
    """

    def __init__(
        self, phrases_of_image: ImagePhrases, phrases_per_image: int, seed: int, epoch: int
    ) -> None:
        """Draw an epoch.

        Args:
            phrases_of_image: indices of the phrases of each image that has some.
            phrases_per_image: at most so many phrases in a sample.
            seed: of the whole training.
            epoch: counted from 0.
        """
        rng = np.random.default_rng((seed, epoch))
        self._seed = (seed, epoch)
        self._phrases = phrases_of_image.phrases.copy()  # (P,)
        bounds = phrases_of_image.offsets
        for start, stop in pairwise(bounds.tolist()):
            rng.shuffle(self._phrases[start:stop])
        counts = np.diff(bounds)  # (I,)
        groups = group_counts(counts, phrases_per_image)  # (I,)
        owner = np.repeat(np.arange(len(counts)), groups)  # (G,)
        place = np.arange(len(owner)) - row_offsets(groups)[owner]  # (G,), among its image's
        smallest, larger = np.divmod(counts, np.maximum(groups, 1))  # (I,) twice
        self._offsets = row_offsets(smallest[owner] + (place < larger[owner]))  # (G + 1,)
        self._images = phrases_of_image.images[owner]  # (G,)
        self._order = rng.permutation(len(owner))  # (G,)

    @override
    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, position: int) -> SampleIndex: ...

    @overload
    def __getitem__(self, position: slice) -> list[SampleIndex]: ...

    @override
    def __getitem__(self, position: int | slice) -> SampleIndex | list[SampleIndex]:
        if isinstance(position, slice):
            return [self[one] for one in range(len(self))[position]]
        group = int(self._order[position])
        phrases = self._phrases[self._offsets[group] : self._offsets[group + 1]]
        return SampleIndex(int(self._images[group]), tuple(phrases.tolist()), (*self._seed, group))


def group_counts(counts: NDArray[np.int64], phrases_per_image: int) -> NDArray[np.int64]:
    """Return how many samples the phrases of each image make, int64 (I,).

    Args:
        counts: phrases of each image, int64 (I,).
        phrases_per_image: at most so many phrases in a sample.
    """
    return -(-counts // phrases_per_image)


class EpochSampler(Sampler[SampleIndex]):
    """Yields the samples of one epoch, or one process's share of them.

    `set_epoch` chooses the epoch. Of N processes each gets every N-th sample; the first ones are
    repeated where N does not divide their number, so that all get equally many.
    """

    def __init__(
        self,
        phrases_of_image: Mapping[int, Sequence[int]],
        phrases_per_image: int,
        seed: int,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        """Sample for `part` = (rank, number of processes)."""
        self._phrases_of_image = ImagePhrases.of(phrases_of_image)
        self._phrases_per_image = phrases_per_image
        self._seed = seed
        self._rank, self._num_parts = part
        self._epoch = 0
        counts = np.diff(self._phrases_of_image.offsets)
        num_samples = int(group_counts(counts, phrases_per_image).sum())
        self._length = -(-num_samples // self._num_parts)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0."""
        self._epoch = epoch

    def step_samples(self, epoch: int, step: int, batch_images: int) -> list[SampleIndex]:
        """Return what all processes together see in one step of an epoch.

        Args:
            epoch: counted from 0.
            step: of the epoch, counted from 0.
            batch_images: samples of one process in a step; the last one may have fewer.
        """
        size = self._num_parts * batch_images
        stop = min((step + 1) * size, self._length * self._num_parts)
        samples = self._samples(epoch)
        return [samples[position % len(samples)] for position in range(step * size, stop)]

    def __len__(self) -> int:
        return self._length

    @override
    def __iter__(self) -> Iterator[SampleIndex]:
        samples = self._samples(self._epoch)
        for position in range(self._rank, self._length * self._num_parts, self._num_parts):
            yield samples[position % len(samples)]

    def _samples(self, epoch: int) -> EpochSamples:
        """Return the samples of all processes, which take turns."""
        return EpochSamples(self._phrases_of_image, self._phrases_per_image, self._seed, epoch)
