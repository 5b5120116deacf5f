"""Which phrases of which image make a sample, in which order: a function of seed and epoch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler


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


def epoch_samples(
    phrases_of_image: Mapping[int, Sequence[int]], phrases_per_image: int, seed: int, epoch: int
) -> list[SampleIndex]:
    """Return samples that hold every phrase once, shuffled.

    An image of n phrases makes ceil(n / phrases_per_image) samples of nearly equal numbers of
    phrases, grouped anew in every epoch; how many samples there are is the same in every epoch.

    Args:
        phrases_of_image: indices of the phrases of each image that has some.
        phrases_per_image: at most so many phrases in a sample.
        seed: of the whole training.
        epoch: counted from 0.
    """
    rng = np.random.default_rng((seed, epoch))
    sample_indices: list[SampleIndex] = []
    for image, phrases in phrases_of_image.items():
        shuffled = rng.permutation(np.asarray(phrases))
        for group in np.array_split(shuffled, -(-len(phrases) // phrases_per_image)):
            sample_indices.append(
                SampleIndex(image, tuple(group.tolist()), (seed, epoch, len(sample_indices)))
            )
    return [sample_indices[position] for position in rng.permutation(len(sample_indices))]


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
        self._phrases_of_image = phrases_of_image
        self._phrases_per_image = phrases_per_image
        self._seed = seed
        self._rank, self._num_parts = part
        self._epoch = 0
        groups = sum(-(-len(phrases) // phrases_per_image) for phrases in phrases_of_image.values())
        self._length = -(-groups // self._num_parts)

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
        return self._all_samples(epoch)[step * size : (step + 1) * size]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SampleIndex]:
        return iter(self._all_samples(self._epoch)[self._rank :: self._num_parts])

    def _all_samples(self, epoch: int) -> list[SampleIndex]:
        """Return the samples of all processes, theirs taking turns."""
        sample_indices = epoch_samples(
            self._phrases_of_image, self._phrases_per_image, self._seed, epoch
        )
        num_samples = self._length * self._num_parts
        return [sample_indices[position % len(sample_indices)] for position in range(num_samples)]
