"""Which phrases speak of which image, in arrays."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.caching.runs import row_offsets


class ImagePhrases(Mapping[int, list[int]]):
    """Indices of the phrases of each image that has some, in order.

    Attributes:
        images: indices of the I images, ascending, int64 (I,).
        offsets: where the phrases of each image begin and end, int64 (I + 1,).
        phrases: indices of the phrases, image after image, int64 (P,).
    """

    def __init__(self, images: ArrayLike, counts: ArrayLike, phrases: ArrayLike) -> None:
        """Join the images with how many phrases each has, and with all these phrases."""
        self.images: NDArray[np.int64] = np.asarray(images, np.int64)
        self.offsets = row_offsets(np.asarray(counts, np.int64))
        self.phrases: NDArray[np.int64] = np.asarray(phrases, np.int64)

    @classmethod
    def group(cls, image_of_phrase: NDArray[np.int64]) -> Self:
        """Return the phrases by the index of their image, int64 (P,)."""
        images, counts = np.unique(image_of_phrase, return_counts=True)
        return cls(images, counts, np.argsort(image_of_phrase, kind="stable"))

    @classmethod
    def of(cls, phrases_of_image: Mapping[int, Sequence[int]]) -> Self:
        """Return any such mapping in arrays."""
        if isinstance(phrases_of_image, cls):
            return phrases_of_image
        images = sorted(phrases_of_image)
        groups = [phrases_of_image[image] for image in images]
        return cls(images, [*map(len, groups)], [index for group in groups for index in group])

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[int]:
        return map(int, self.images)

    def __getitem__(self, image_index: int) -> list[int]:
        row = int(np.searchsorted(self.images, image_index))
        if row == len(self) or self.images[row] != image_index:
            raise KeyError(image_index)
        return self.phrases[self.offsets[row] : self.offsets[row + 1]].tolist()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]
