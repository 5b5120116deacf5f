"""The outline of every class: polygons in whole units, 0 to 100 to the right and downwards.

A later part is drawn over the earlier ones. Paints: `body` takes the object's colour and texture,
`dark` and `light` are shades of the colour, `hole` shows what lies behind.
"""

from math import cos, pi, sin
from typing import NamedTuple

Point = tuple[int, int]


class Part(NamedTuple):
    """One polygon of an outline."""

    paint: str
    points: tuple[Point, ...]


def _polygon(paint: str, *points: Point) -> Part:
    return Part(paint, points)


def _box(paint: str, left: int, top: int, right: int, bottom: int) -> Part:
    return Part(paint, ((left, top), (right, top), (right, bottom), (left, bottom)))


def _arc(centre: Point, radii: Point, start: int = 0, stop: int = 32) -> tuple[Point, ...]:
    """Return points of an ellipse; 32 steps go once around, from the right and downwards."""
    angles = [step * pi / 16 for step in range(start, stop + 1)]
    return tuple(
        (round(centre[0] + radii[0] * cos(angle)), round(centre[1] + radii[1] * sin(angle)))
        for angle in angles
    )


def _ellipse(paint: str, x: int, y: int, x_radius: int, y_radius: int) -> Part:
    return Part(paint, _arc((x, y), (x_radius, y_radius)))


OUTLINES: dict[str, tuple[Part, ...]] = {
    "cup": (
        _ellipse("body", 70, 52, 26, 27),
        _ellipse("hole", 70, 52, 14, 15),
        _polygon("body", (4, 14), (74, 14), (66, 96), (12, 96)),
        _ellipse("light", 39, 15, 35, 10),
        _ellipse("dark", 39, 16, 28, 6),
    ),
    "lamp": (
        _box("dark", 44, 45, 56, 92),
        _ellipse("dark", 50, 92, 30, 9),
        _polygon("body", (32, 2), (68, 2), (94, 54), (6, 54)),
        _polygon("light", (8, 49), (92, 49), (94, 55), (6, 55)),
    ),
    "ring": (_ellipse("body", 50, 50, 48, 48), _ellipse("hole", 50, 50, 26, 26)),
    "star": (
        _polygon(
            "body",
            *((50, 2), (62, 37), (98, 38), (69, 60), (79, 96)),
            *((50, 75), (21, 96), (31, 60), (2, 38), (38, 37)),
        ),
    ),
    "arrow": (
        _polygon("body", (2, 36), (54, 36), (54, 12), (98, 50), (54, 88), (54, 64), (2, 64)),
    ),
    "book": (
        _box("body", 12, 3, 88, 97),
        _box("light", 18, 88, 88, 95),
        _box("dark", 12, 3, 25, 97),
        _box("light", 37, 20, 76, 38),
        _box("dark", 43, 27, 70, 31),
    ),
    "house": (
        _box("dark", 68, 8, 80, 40),
        _box("body", 12, 42, 88, 98),
        _polygon("dark", (50, 2), (98, 46), (2, 46)),
        _box("light", 20, 56, 40, 74),
        _box("dark", 56, 58, 76, 98),
    ),
    "tree": (
        _box("dark", 42, 80, 58, 99),
        _polygon("body", (50, 38), (90, 84), (10, 84)),
        _polygon("body", (50, 18), (84, 60), (16, 60)),
        _polygon("body", (50, 1), (76, 36), (24, 36)),
    ),
    "heart": (
        _ellipse("body", 27, 30, 25, 26),
        _ellipse("body", 73, 30, 25, 26),
        _polygon("body", (3, 38), (97, 38), (50, 97)),
        _ellipse("light", 25, 26, 8, 9),
    ),
    "moon": (_ellipse("body", 50, 50, 46, 48), _ellipse("hole", 78, 40, 42, 42)),
    "fish": (
        _polygon("body", (62, 48), (98, 20), (92, 50), (98, 82)),
        _polygon("dark", (30, 28), (50, 10), (58, 30)),
        _ellipse("body", 38, 50, 36, 29),
        _ellipse("light", 18, 42, 7, 7),
        _ellipse("dark", 17, 42, 3, 3),
    ),
    "umbrella": (
        _box("dark", 46, 8, 54, 92),
        _box("dark", 46, 86, 72, 94),
        _box("dark", 65, 76, 72, 94),
        Part("body", _arc((50, 54), (48, 50), 16, 32)),
        _polygon("dark", (47, 4), (53, 4), (39, 54), (31, 54)),
        _polygon("dark", (47, 4), (53, 4), (69, 54), (61, 54)),
    ),
    "flower": (
        _box("dark", 46, 50, 54, 99),
        _ellipse("dark", 66, 82, 15, 7),
        *(_ellipse("body", x, y, 17, 17) for x, y in ((50, 18), (26, 36), (74, 36))),
        *(_ellipse("body", x, y, 17, 17) for x, y in ((35, 62), (65, 62), (50, 42))),
        _ellipse("light", 50, 42, 12, 12),
    ),
    "mushroom": (
        _polygon("light", (36, 50), (64, 50), (70, 97), (30, 97)),
        Part("body", _arc((50, 54), (48, 50), 16, 32)),
        _polygon("dark", (4, 53), (96, 53), (86, 60), (14, 60)),
    ),
    "crown": (
        _polygon("body", (3, 14), (28, 50), (50, 6), (72, 50), (97, 14), (90, 94), (10, 94)),
        _box("dark", 11, 76, 89, 86),
        *(_ellipse("light", x, 65, 6, 6) for x in (28, 50, 72)),
    ),
    "bell": (
        _ellipse("dark", 50, 90, 11, 9),
        _ellipse("body", 50, 9, 8, 7),
        _polygon(
            "body",
            *((36, 14), (64, 14), (76, 32), (80, 62), (97, 84)),
            *((3, 84), (20, 62), (24, 32)),
        ),
        _polygon("light", (16, 68), (84, 68), (88, 73), (12, 73)),
    ),
}
