"""Meanings of phrases about a scene, and the objects that they fit.

A meaning has a strict and a loose reading: the objects that fit it without doubt, and those that
may fit it. A phrase is unambiguous if both readings are exactly its targets.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.shapes.vocabulary import Attributes

Direction = Literal["left", "right", "top", "bottom"]
RelationKind = Literal["left", "right", "top", "bottom", "near"]
Readings = tuple[set[int], set[int]]
_AXIS = {"left": 0, "right": 0, "top": 1, "bottom": 1}
_SIGN = {"left": 1, "right": -1, "top": 1, "bottom": -1}
MARGIN = 0.07  # of the long side: nearer places count as equal
NEAR = 0.42  # of the long side: no farther is `next to`
DISTRACTOR_DISTANCE = 1.5  # a distractor this many times as far is not `next to`
SIZE_RATIO = 1.2  # a distractor must be this much smaller for `biggest`


@dataclass(frozen=True)
class SceneFacts:
    """The objects of a scene.

    Attributes:
        image_hw: height and width in pixels.
        boxes_xyxy: float32 (n, 4), pixels.
        classes: int64 (n,).
        attributes: colour, texture and size of each object.
    """

    image_hw: tuple[int, ...]
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    attributes: tuple[Attributes, ...]

    def matching(self, description: "Description") -> list[int]:
        """Return the objects that a description fits."""
        return [
            index
            for index, looks in enumerate(self.attributes)
            if description.class_index in (None, self.classes[index])
            and description.colour in (None, looks.colour)
            and description.texture in (None, looks.texture)
            and description.size_name in (None, looks.size_name)
        ]


@dataclass(frozen=True)
class Description:
    """Class and attributes that a phrase gives; None: not given."""

    class_index: int | None = None
    colour: str | None = None
    texture: str | None = None
    size_name: str | None = None


@dataclass(frozen=True)
class Side:
    """`the left cup`, `cup at the top`."""

    direction: Direction


@dataclass(frozen=True)
class Extreme:
    """`the leftmost cup` has rank 1, `second cup from the left` rank 2."""

    direction: Direction
    rank: int


@dataclass(frozen=True)
class Corner:
    """`the cup in the upper left corner`."""

    vertical: Direction
    horizontal: Direction


@dataclass(frozen=True)
class BySize:
    """`the biggest cup`, `the smallest cup`."""

    biggest: bool


@dataclass(frozen=True)
class Relation:
    """`the cup left of the lamp`, `the cup next to the lamp`."""

    kind: RelationKind
    landmark: Description


Place = Side | Extreme | Corner | BySize | Relation


@dataclass(frozen=True)
class Meaning:
    """Meaning of a phrase: the description of its object and, if any, its place."""

    target: Description
    place: Place | None = None


def is_unambiguous(facts: SceneFacts, meaning: Meaning, targets: set[int]) -> bool:
    """Return whether strict and loose reading are both exactly the targets."""
    strict, loose = readings(facts, meaning)
    return strict == loose == targets


def readings(facts: SceneFacts, meaning: Meaning) -> Readings:
    """Return the indices of the objects in the strict and in the loose reading."""
    candidates = facts.matching(meaning.target)
    if isinstance(meaning.place, Extreme | BySize) and len(candidates) == 1:
        candidates = []  # a superlative compares
    read = set(candidates), set(candidates)
    match meaning.place if candidates else None:
        case Side() as side:
            read = _read_side(facts, candidates, side)
        case Extreme() as extreme:
            read = _read_extreme(facts, candidates, extreme)
        case Corner() as corner:
            read = _read_corner(facts, candidates, corner)
        case BySize() as by_size:
            read = _read_size(facts, candidates, by_size)
        case Relation() as relation:
            read = _read_relation(facts, candidates, relation)
    return read


def _read_side(facts: SceneFacts, candidates: list[int], place: Side) -> Readings:
    """Read `left cup` as the leftmost; of three or more it must also be alone in that half."""
    strict, loose = _read_extreme(facts, candidates, Extreme(place.direction, 1))
    share = _shares(facts, place.direction)
    strict = {index for index in strict if share[index] < 0.6}
    if len(candidates) > 2:
        loose |= {index for index in candidates if share[index] < 0.5}
    return strict, loose


def _read_extreme(facts: SceneFacts, candidates: list[int], place: Extreme) -> Readings:
    """Read a rank by centres; the loose reading adds objects nearly level or reaching farther."""
    if 1 < place.rank >= len(candidates):
        return set(), set()  # of two objects nobody says `second`
    centres = _centres(facts, place.direction)
    ranked = sorted(candidates, key=lambda index: (float(centres[index]), index))
    chosen = ranked[place.rank - 1]
    level = abs(centres - centres[chosen]) < MARGIN * max(facts.image_hw)
    loose = {index for index in candidates if level[index]}
    if place.rank == 1:
        edges = _edges(facts, place.direction)
        loose |= {index for index in candidates if edges[index] < edges[chosen]}
    return {chosen}, loose


def _read_corner(facts: SceneFacts, candidates: list[int], place: Corner) -> Readings:
    down, across = _shares(facts, place.vertical), _shares(facts, place.horizontal)
    strict = {index for index in candidates if max(down[index], across[index]) < 0.38}
    return strict, {index for index in candidates if max(down[index], across[index]) < 0.54}


def _read_size(facts: SceneFacts, candidates: list[int], place: BySize) -> Readings:
    sides = (facts.boxes_xyxy[:, 2:] - facts.boxes_xyxy[:, :2]).max(axis=1)  # (n,)
    best = max(sides[candidates]) if place.biggest else min(sides[candidates])
    ratio = best / sides if place.biggest else sides / best
    strict = {index for index in candidates if ratio[index] == 1}
    return strict, {index for index in candidates if ratio[index] < SIZE_RATIO}


def _read_relation(facts: SceneFacts, candidates: list[int], place: Relation) -> Readings:
    """Read a relation to a landmark that must itself be the only one of its kind."""
    landmarks = facts.matching(place.landmark)
    others = [index for index in candidates if index not in landmarks]
    if len(landmarks) != 1 or not others:
        return set(), set()
    landmark = landmarks[0]
    if place.kind == "near":
        return _read_near(facts, others, landmark)
    centres = _centres(facts, place.kind)
    ahead = centres[landmark] - centres  # (n,) how far on the named side
    across = _centres(facts, "top" if _AXIS[place.kind] == 0 else "left")
    aside = abs(across - across[landmark])
    margin = MARGIN * max(facts.image_hw)
    strict = {index for index in others if ahead[index] > max(margin, aside[index] * 0.8)}
    return strict, {index for index in others if ahead[index] > -margin / 2}


def _read_near(facts: SceneFacts, others: list[int], landmark: int) -> Readings:
    centres = np.stack([_centres(facts, "left"), _centres(facts, "top")], axis=1)  # (n, 2)
    squares = ((centres - centres[landmark]) ** 2).sum(axis=1)  # (n,)
    nearest = min(others, key=lambda index: (float(squares[index]), index))
    if squares[nearest] > (NEAR * max(facts.image_hw)) ** 2:
        return set(), set()
    is_near = squares < squares[nearest] * DISTRACTOR_DISTANCE**2
    return {nearest}, {index for index in others if is_near[index]}


def _centres(facts: SceneFacts, direction: Direction) -> NDArray[np.float64]:
    """Return centres along a direction, float64 (n,), smaller = farther that way."""
    axis = _AXIS[direction]
    boxes = facts.boxes_xyxy.astype(np.float64)
    return _SIGN[direction] * (boxes[:, axis] + boxes[:, axis + 2]) / 2


def _edges(facts: SceneFacts, direction: Direction) -> NDArray[np.float64]:
    """Return the outer edges along a direction, float64 (n,), smaller = farther that way."""
    column = _AXIS[direction] + (0 if _SIGN[direction] > 0 else 2)
    return _SIGN[direction] * facts.boxes_xyxy[:, column].astype(np.float64)


def _shares(facts: SceneFacts, direction: Direction) -> NDArray[np.float64]:
    """Return each centre's distance from a border, as a share of the image, float64 (n,)."""
    extent = facts.image_hw[1 - _AXIS[direction]]
    share = abs(_centres(facts, direction)) / extent
    return share if _SIGN[direction] > 0 else 1 - share
