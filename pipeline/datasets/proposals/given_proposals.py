"""Proposals from boxes that others computed: matched to images, clipped, problems counted.

Shapes: I images, M boxes of an image or of all.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.given_files.impostors import impostor_of
from models.given_files.text_files import read_text, split_lines
from pipeline.datasets.box_formats import ROUNDING_PX
from pipeline.datasets.proposals.bottom_up_files import BadRowError, GivenBoxes
from pipeline.datasets.proposals.image_places import AmbiguousNameError, ImagePlaces
from pipeline.errors import InputError
from pipeline.records import ImageRecord

ANYTHING = "object"  # the label of boxes without one
NO_USABLE_BOX = "rows without a box that can be used"
NUM_EXAMPLES = 5
MOST_LABELS = np.iinfo(np.int16).max
LARGEST_SHARE = 1.5  # of an image's width; a box that reaches further out is of pixels
FEW_PX = 3  # a side of an image in which boxes of single pixels are likely
NO_LABEL = -1
NOTHING = (np.zeros((0, 4), "f4"), np.zeros(0, "f4"), np.zeros(0, "i2"))  # no box of an image
_FIRST_LABELS = (0, 1)  # where files count classes from


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
        label: class names that `labels` counts in; `object` is the last if only some boxes have
            a class, and alone if none has.
        missing: ids of images without a row.
        counts: number of cases of each problem.
        examples: messages of the first rows that cannot be read, or whose image is not clear.
    """

    arrays: dict[str, NDArray[Any]]
    label: tuple[str, ...]
    missing: tuple[str, ...]
    counts: Counter[str]
    examples: tuple[str, ...]


def import_given(
    images: Sequence[ImageRecord], rows: Iterable[GivenBoxes | BadRowError], limits: GivenLimits
) -> Imported:
    """Return the proposals of every image, in the images' order.

    A row is of all images of its file. Boxes that refer to another size of the image are scaled;
    all are clipped to it, and those without area, with a number that is not finite or with an
    unknown label are left out. Of several rows of an image the first counts. A row is left out if
    its boxes are not what the layout says: shares, pixels, corners. There is no non-maximum
    suppression.

    Args:
        images: the image table.
        rows: as `read_given` yields them.
        limits: which boxes to keep.

    Raises:
        InputError: the classes fit the vocabulary only if they are counted from another number
            than `first_label`.
    """
    by_image: dict[int, tuple[NDArray[Any], ...]] = {}
    counts: Counter[str] = Counter()
    examples: list[str] = []
    classes: Counter[int] = Counter()
    place = ImagePlaces(images)
    for row in rows:
        indices = _indices(row, place, counts, examples)
        if isinstance(row, BadRowError) or not indices:
            continue
        image_hw = images[indices[0]].image_hw
        if indices[0] in by_image:
            counts["second rows of an image"] += 1
        elif problem := _row_problem(row, image_hw):
            counts[problem] += 1
        else:
            classes.update([] if row.labels is None else row.labels.tolist())
            by_image |= dict.fromkeys(indices, _select_boxes(row, image_hw, limits, counts))
    _check_first_label(classes, limits, counts)
    missing = [image.image_id for index, image in enumerate(images) if index not in by_image]
    columns = [by_image.get(index, NOTHING) for index in range(len(images))]
    arrays, label = _join(columns, limits.labels)
    return Imported(arrays, label, tuple(missing), counts, tuple(examples[:NUM_EXAMPLES]))


def _indices(
    row: GivenBoxes | BadRowError, place: ImagePlaces, counts: Counter[str], examples: list[str]
) -> tuple[int, ...]:
    """Return the images of a row; count a row that cannot be read or has none."""
    try:
        if isinstance(row, BadRowError):
            raise row
        indices = place.of(row.image_id)
    except BadRowError as error:
        is_ambiguous = isinstance(error, AmbiguousNameError)
        problem = "whose name fits several images" if is_ambiguous else "that cannot be read"
        counts[f"rows {problem}"] += 1
        examples.append(str(error))
        return ()
    counts["rows of other images"] += not indices
    return indices


def _join(
    columns: Sequence[tuple[NDArray[Any], ...]], names: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return the boxes of all images one after another, and the names of their classes."""
    arrays = {
        name: np.concatenate([NOTHING[part], *(column[part] for column in columns)])
        for part, name in enumerate(("boxes_xyxy", "scores", "labels"))
    }
    arrays["offsets"] = np.cumsum([0, *(len(column[1]) for column in columns)], dtype=np.int64)
    unlabelled = arrays["labels"] == NO_LABEL  # (M,)
    label = tuple(names)
    if not label or (unlabelled.any() and unlabelled.all()):
        label = (ANYTHING,)
    elif unlabelled.any() and ANYTHING not in label:
        label = (*label, ANYTHING)
    if unlabelled.any():
        arrays["labels"][unlabelled] = label.index(ANYTHING)
    return arrays, label


def _check_first_label(classes: Counter[int], limits: GivenLimits, counts: Counter[str]) -> None:
    """Raise an error if only another first number makes all classes of the file known.

    A class 0 may be the background of a file that counts from 1: it is counted.

    Raises:
        InputError: it does.
    """
    if not classes or not limits.labels:
        return
    least, most = min(classes), max(classes)
    fitting = [
        first for first in _FIRST_LABELS if first <= least and most < first + len(limits.labels)
    ]
    is_right = limits.first_label <= least and most < limits.first_label + len(limits.labels)
    if fitting == [0] and limits.first_label == 1:
        counts["boxes of class 0: the background, or first_label must be 0"] += classes[0]
    elif fitting and not is_right:
        raise InputError(
            f"proposals.given.first_label is {limits.first_label}, but the classes of the file go "
            f"from {least} to {most} and the vocabulary has {len(limits.labels)}; they are counted "
            f"from {fitting[0]}"
        )


def read_names(path: Path) -> tuple[str, ...]:
    """Return the class names of a text file, one a line, lower case, before any comma.

    Raises:
        InputError: the file cannot be read as text, is empty or too long, or a line is empty
            that is not the last: which class of the file would it be?
    """
    key = f"proposals.given.vocabulary: {path}"
    try:
        what = impostor_of(path)
        lines = split_lines(read_text(path).rstrip())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{key} cannot be read: {error}") from error
    if what:
        raise InputError(f"{key} is {what}; put the file itself there")
    names = tuple(line.split(",")[0].strip().lower() for line in lines)
    if "" in names:
        raise InputError(f"{key}: line {names.index('') + 1} is empty; a line is a class")
    if len(names) > MOST_LABELS:
        raise InputError(f"{key} holds {len(names)} classes, more than {MOST_LABELS}")
    return names


def _is_turned(measured_hw: tuple[int, int], image_hw: tuple[int, int]) -> bool:
    """Return whether an image was measured without the rotation in its EXIF data."""
    return measured_hw == image_hw[::-1] != image_hw


def _row_problem(row: GivenBoxes, image_hw: tuple[int, int]) -> str | None:
    """Return why the boxes of a row are not what its layout says, if they are not."""
    if row.image_hw and _is_turned(row.image_hw, image_hw):
        return "rows of images that lay on their side"
    boxes = row.boxes_xyxy[np.isfinite(row.boxes_xyxy).all(1)]  # (F, 4), the finite ones
    if not len(boxes):
        return None
    is_small = float(np.abs(boxes).max()) <= LARGEST_SHARE
    has_fractions = bool((boxes != np.rint(boxes)).any())
    measured_hw = (1, 1) if row.normalised else (row.image_hw or image_hw)
    if row.normalised and not is_small:
        return "rows whose boxes are of pixels, not of shares of width and height"
    if not row.normalised and is_small and has_fractions and min(measured_hw) > FEW_PX:
        return "rows whose boxes are of shares of width and height, not of pixels"
    is_reversed = bool((boxes[:, 2:] < boxes[:, :2]).any())
    rounding = 0.01 if row.normalised else ROUNDING_PX
    ends = boxes[:, :2] + boxes[:, 2:]  # (F, 2), if they are x, y, width, height
    fits_otherwise = bool(
        (boxes >= 0).all() and (ends <= np.add(measured_hw[::-1], rounding)).all()
    )
    if is_reversed and fits_otherwise:
        return "rows whose boxes do not fit as corners, but as x, y, width, height"
    return None


def _select_boxes(
    row: GivenBoxes, image_hw: tuple[int, int], limits: GivenLimits, counts: Counter[str]
) -> tuple[NDArray[Any], ...]:
    """Return boxes f4 (M, 4), scores f4 (M,) and labels i2 (M,) of one image, best first.

    Without a class a label is NO_LABEL.
    """
    _count_unread(row, limits, counts)
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
    labels, is_known = _labels(row, limits)
    sides = clipped[:, 2:] - clipped[:, :2]
    problems = {
        "boxes that are not four finite numbers": ~finite,
        "boxes without area": ~(sides > 0).all(1),
        "boxes whose score is not in [0, 1]": ~((scores >= 0) & (scores <= 1)),
        "boxes of an unknown class": ~is_known,
    }
    usable = np.ones(count, bool)
    for problem, where in problems.items():
        counts[problem] += int((usable & where).sum())
        usable &= ~where
    counts[NO_USABLE_BOX] += bool(count and not usable.any())
    counts["boxes that reach beyond the image"] += int((clipped != boxes_xyxy)[usable].any(1).sum())
    order = np.argsort(-scores, kind="stable")
    order = order[usable[order] & (scores[order] >= limits.score_floor)][: limits.max_boxes]
    counts["rows without a box above the score floor"] += bool(usable.any() and not len(order))
    return clipped[order].astype("f4"), scores[order].astype("f4"), labels[order].astype("i2")


def _labels(row: GivenBoxes, limits: GivenLimits) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the index of each box's class in the vocabulary, and whether it is one of its."""
    if row.labels is None or not limits.labels:
        count = len(row.boxes_xyxy)
        return np.full(count, NO_LABEL), np.ones(count, bool)
    labels = row.labels - limits.first_label
    return labels, (labels >= 0) & (labels < len(limits.labels))


def _count_unread(row: GivenBoxes, limits: GivenLimits, counts: Counter[str]) -> None:
    """Count what a row does not have, or has and is not read."""
    if row.labels is None and limits.labels:
        counts[f"rows without classes: their boxes are `{ANYTHING}`"] += 1
    if row.labels is not None and not limits.labels:
        counts[f"rows whose classes have no vocabulary: their boxes are `{ANYTHING}`"] += 1
    if row.scores is None:
        counts["rows without scores: their boxes have 1 and keep their order"] += 1
    for name in row.unread:
        counts[f"rows with `{name}`, which is not read"] += 1
