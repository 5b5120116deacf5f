"""Proposals from boxes that others computed: matched to images, clipped, problems counted.

Shapes: I images, M boxes of an image or of all.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.given_files.impostors import impostor_of
from pipeline.datasets.proposals.bottom_up_files import BadRowError, GivenBoxes
from pipeline.errors import InputError
from pipeline.records import ImageRecord

ANYTHING = "object"  # the label of boxes without one
NUM_EXAMPLES = 5
_NUMBER = re.compile(r"(?:^|[_\-/])0*(\d+)$")


@dataclass(frozen=True)
class GivenLimits:
    """Which boxes to keep.

    Attributes:
        max_boxes: number of boxes of an image to keep, by score.
        score_floor: least score, in [0, 1].
        labels: class names; empty: every box is an `object`.
        first_label: number of the first class in the file.
    """

    max_boxes: int
    score_floor: float
    labels: Sequence[str]
    first_label: int


@dataclass(frozen=True)
class Imported:
    """Proposals of all images, and problems.

    Attributes:
        arrays: `offsets`, `boxes_xyxy`, `scores`, `labels`, as in proposals.h5.
        missing: ids of images without a row.
        counts: number of cases of each problem.
        examples: messages of the first rows that cannot be read.
    """

    arrays: dict[str, NDArray[Any]]
    missing: tuple[str, ...]
    counts: Counter[str]
    examples: tuple[str, ...]


def import_given(
    images: Sequence[ImageRecord], rows: Iterable[GivenBoxes | BadRowError], limits: GivenLimits
) -> Imported:
    """Return the proposals of every image, in the images' order.

    Boxes that refer to another size of the image are scaled; all are clipped to it, and those
    without area, with a number that is not finite or with an unknown label are left out. Of several
    rows of an image the first counts. There is no non-maximum suppression.

    Args:
        images: the image table.
        rows: as `read_given` yields them.
        limits: which boxes to keep.
    """
    by_image: dict[int, tuple[NDArray[Any], ...]] = {}
    counts: Counter[str] = Counter()
    examples = []
    place = ImagePlaces(images)
    for row in rows:
        if isinstance(row, BadRowError):
            counts["rows that cannot be read"] += 1
            examples.append(str(row))
            continue
        index = place.of(row.image_id)
        if index is None:
            counts["rows of other images"] += 1
        elif index in by_image:
            counts["second rows of an image"] += 1
        elif row.image_hw and _is_turned(row.image_hw, images[index].image_hw):
            counts["rows of images that lay on their side"] += 1
        else:
            by_image[index] = _select_boxes(row, images[index].image_hw, limits, counts)
    missing = [image.image_id for index, image in enumerate(images) if index not in by_image]
    nothing = (np.zeros((0, 4), "f4"), np.zeros(0, "f4"), np.zeros(0, "i2"))
    columns = [by_image.get(index, nothing) for index in range(len(images))] or [nothing]
    arrays = {
        name: np.concatenate([column[part] for column in columns])
        for part, name in enumerate(("boxes_xyxy", "scores", "labels"))
    }
    lengths = [len(column[1]) for column in columns[: len(images)]]
    arrays["offsets"] = np.cumsum([0, *lengths], dtype=np.int64)  # (I + 1,)
    return Imported(arrays, tuple(missing), counts, tuple(examples[:NUM_EXAMPLES]))


def read_names(path: Path) -> tuple[str, ...]:
    """Return the class names of a text file, one a line, lower case, before any comma.

    Raises:
        InputError: the file cannot be read as text.
    """
    try:
        what = impostor_of(path)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"proposals.given.vocabulary: {path} cannot be read: {error}") from error
    if what:
        raise InputError(f"proposals.given.vocabulary: {path} is {what}; put the file itself there")
    return tuple(line.split(",")[0].strip().lower() for line in lines if line.strip())


class ImagePlaces:
    """Index of an image in the image table, by the names that extractors give it."""

    def __init__(self, images: Sequence[ImageRecord]) -> None:
        self._exact: dict[str, int] = {}
        numbers: dict[str, list[int]] = {}
        for index, image in enumerate(images):
            for name in (PurePosixPath(image.file).stem, image.image_id):
                self._exact[name] = index
            for number in {number for number in map(_number, self._names(image)) if number}:
                numbers.setdefault(number, []).append(index)
        self._by_number = {key: where[0] for key, where in numbers.items() if len(where) == 1}

    def of(self, name: str) -> int | None:
        """Return the index of the image with that id or file name, or with that final number."""
        stem = PurePosixPath(name).stem if name.endswith((".jpg", ".png")) else name
        number = _number(stem)
        for index_of, key in ((self._exact, name), (self._exact, stem), (self._by_number, number)):
            if key is not None and key in index_of:
                return index_of[key]
        return None

    @staticmethod
    def _names(image: ImageRecord) -> Iterator[str]:
        yield image.image_id
        yield PurePosixPath(image.file).stem


def _number(name: str) -> str | None:
    """Return the number at the end of a name, without zeros before it."""
    match = _NUMBER.search(name)
    return match[1] if match else None


def _is_turned(measured_hw: tuple[int, int], image_hw: tuple[int, int]) -> bool:
    """Return whether an image was measured without the rotation in its EXIF data."""
    return measured_hw == image_hw[::-1] != image_hw


def _select_boxes(
    row: GivenBoxes, image_hw: tuple[int, int], limits: GivenLimits, counts: Counter[str]
) -> tuple[NDArray[Any], ...]:
    """Return boxes f4 (M, 4), scores f4 (M,) and labels i2 (M,) of one image, best first."""
    height, width = image_hw
    measured_hw = (1, 1) if row.normalised else (row.image_hw or image_hw)
    if not row.normalised and measured_hw != image_hw:
        counts["images measured in another size"] += 1
    scale = np.array([width / measured_hw[1], height / measured_hw[0]] * 2)  # (4,)
    boxes_xyxy = row.boxes_xyxy * scale  # (M, 4)
    finite = np.isfinite(boxes_xyxy).all(1)
    clipped = np.clip(np.where(finite[:, None], boxes_xyxy, 0), 0, [width, height] * 2)
    count = len(clipped)
    scores = np.ones(count) if row.scores is None else row.scores
    labels = np.zeros(count, np.int64)
    if row.labels is not None and limits.labels:
        labels = row.labels - limits.first_label
    sides = clipped[:, 2:] - clipped[:, :2]
    problems = {
        "boxes without area": ~(sides > 0).all(1),
        "boxes whose score is not in [0, 1]": ~((scores >= 0) & (scores <= 1)),
        "boxes of an unknown class": (labels < 0) | (labels >= max(1, len(limits.labels))),
    }
    usable = np.ones(count, bool)
    for problem, where in problems.items():
        counts[problem] += int((usable & where).sum())
        usable &= ~where
    counts["boxes that reach beyond the image"] += int((clipped != boxes_xyxy)[usable].any(1).sum())
    order = np.argsort(-scores, kind="stable")
    order = order[usable[order] & (scores[order] >= limits.score_floor)][: limits.max_boxes]
    return clipped[order].astype("f4"), scores[order].astype("f4"), labels[order].astype("i2")
