"""Layout of a scene: classes come in groups, so that most objects have a distractor."""

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.shapes.drawing import Drawing, Sketch, draw, make_sketch
from pipeline.datasets.shapes.vocabulary import CLASSES, SIZES, SIZES_PX

FEWEST, MOST = 5, 10
MARGIN_PX = 2
MAX_OVERLAP_PERCENT = 8  # of the smaller box
PLACING_TRIES = 60
_GROUPS = (1, 1, 2, 3, 4, 4)  # objects of one class
_SIZE_INDEXES = (0, 0, 0, 1, 1, 2, 2)


@dataclass(frozen=True)
class Placed:
    """One object of a scene: its sketch, its pixels, and where its tight box begins."""

    sketch: Sketch
    drawing: Drawing
    left: int
    top: int

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """The tight box, continuous corners in pixels."""
        height, width = self.drawing.coverage.shape
        return self.left, self.top, self.left + width, self.top + height


def choose_image_hw(rng: np.random.Generator, long_side_px: int) -> tuple[int, int]:
    """Return height and width: the short side is 60 to 100 % of the long one, mostly landscape."""
    short_side_px = long_side_px * int(rng.integers(60, 101)) // 100
    if rng.integers(10) < 7:
        return short_side_px, long_side_px
    return long_side_px, short_side_px


def place_objects(
    rng: np.random.Generator, image_hw: tuple[int, int], long_side_px: int
) -> list[Placed]:
    """Return 5 to 10 objects with little overlap, in the order in which they are drawn."""
    while True:
        placed: list[Placed] = []
        for class_index in _choose_classes(rng):
            _try_to_place(rng, placed, class_index, (*image_hw, long_side_px))
        if len(placed) >= FEWEST:
            order = rng.permutation(len(placed))
            return [placed[index] for index in order]


def _choose_classes(rng: np.random.Generator) -> list[int]:
    """Return the class of each object: whole groups of one class, until there are enough."""
    num_objects = int(rng.integers(FEWEST + 1, MOST + 1))
    chosen: list[int] = []
    for class_index in rng.permutation(len(CLASSES)):
        chosen += [int(class_index)] * _GROUPS[rng.integers(len(_GROUPS))]
        if len(chosen) >= num_objects:
            break
    return chosen[:num_objects]


def _try_to_place(
    rng: np.random.Generator,
    placed: list[Placed],
    class_index: int,
    frame: tuple[int, int, int],
) -> None:
    """Add one object where it hides none; give it up after many tries.

    Args:
        rng: decides looks and place.
        placed: what stands already; grows by one on success.
        class_index: of the new object.
        frame: height, width and long side in pixels.
    """
    size_name = SIZES[_SIZE_INDEXES[rng.integers(len(_SIZE_INDEXES))]]
    low, high = SIZES_PX[size_name]
    side_px = int(rng.integers(low, high + 1)) * frame[2] // 192
    sketch = make_sketch(rng, class_index, size_name, side_px)
    drawing = draw(sketch)
    room = np.array(frame[:2]) - drawing.coverage.shape - MARGIN_PX
    for _ in range(PLACING_TRIES):
        top, left = (int(rng.integers(MARGIN_PX, end + 1)) for end in room)
        candidate = Placed(sketch, drawing, left, top)
        if all(_is_clear(candidate.box_xyxy, other.box_xyxy) for other in placed):
            placed.append(candidate)
            return


def _is_clear(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    """Return whether two boxes overlap by at most `MAX_OVERLAP_PERCENT`."""
    width = max(0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0, min(box[3], other[3]) - max(box[1], other[1]))
    smaller = min((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (box, other))
    return width * height * 100 <= smaller * MAX_OVERLAP_PERCENT
