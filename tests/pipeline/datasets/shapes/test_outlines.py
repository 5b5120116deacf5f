from itertools import combinations

import numpy as np

from pipeline.datasets.shapes.drawing import PAINTS, Sketch, draw
from pipeline.datasets.shapes.outlines import OUTLINES, _arc, _box, _ellipse
from pipeline.datasets.shapes.scene import CLASSES
from pipeline.datasets.shapes.vocabulary import Attributes


def sketch_of(name, colour="red", texture="plain", mirrored=False):
    looks = Attributes(colour, texture, "large")
    return Sketch(CLASSES.index(name), looks, 60, mirrored, 100, 0, 0, 0, (0, 0, 0))


def test_no_two_classes_have_nearly_the_same_outline():
    masks = {}
    for name in CLASSES:
        mask = draw(sketch_of(name)).coverage > 8
        masks[name] = np.pad(mask, [(0, 60 - mask.shape[0]), (0, 60 - mask.shape[1])])
    ious = {
        pair: (masks[pair[0]] & masks[pair[1]]).sum() / (masks[pair[0]] | masks[pair[1]]).sum()
        for pair in combinations(CLASSES, 2)
    }
    assert max(ious.values()) < 0.9, max(ious, key=ious.get)


def test_an_ellipse_spans_its_radii_from_the_right_and_downwards():
    points = _arc((50, 40), (30, 10))
    assert (points[0], points[8], points[16], points[24]) == (
        (80, 40),
        (50, 50),
        (20, 40),
        (50, 30),
    )
    assert points[32] == points[0]
    assert set(_ellipse("body", 50, 40, 30, 10).points) == set(points)
    assert _arc((50, 40), (30, 10), 16, 32) == points[16:]


def test_a_box_has_its_four_corners_in_turn():
    assert _box("dark", 1, 2, 30, 40).points == ((1, 2), (30, 2), (30, 40), (1, 40))


def test_outlines_stay_on_their_canvas_and_use_known_paints():
    parts = [part for parts in OUTLINES.values() for part in parts]
    assert {part.paint for part in parts} <= set(PAINTS)
    solid = [point for part in parts if part.paint != "hole" for point in part.points]
    assert min(min(point) for point in solid) >= 0
    assert max(max(point) for point in solid) <= 101  # the foot of the lamp
    assert all(any(part.paint == "body" for part in parts) for parts in OUTLINES.values())
