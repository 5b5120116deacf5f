from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from pipeline.datasets.shapes.drawing import (
    GRAINS,
    LIGHTS,
    TILTS,
    Drawing,
    Sketch,
    _placed,
    _shade,
    _texture,
    draw,
    make_sketch,
    paste,
)
from pipeline.datasets.shapes.outlines import OUTLINES
from pipeline.datasets.shapes.scene import CLASSES
from pipeline.datasets.shapes.vocabulary import COLOURS, Attributes

IMPOSSIBLE = 300  # no pixel has this value


def sketch_of(name, colour="red", texture="plain", mirrored=False):
    looks = Attributes(colour, texture, "large")
    return Sketch(CLASSES.index(name), looks, 60, mirrored, 100, 0, 0, 0, (0, 0, 0))


@pytest.mark.parametrize("tilt", range(len(TILTS)))
@pytest.mark.parametrize(("mirrored", "percent"), [(False, 100), (True, 88)])
def test_a_part_is_mirrored_then_stretched_then_turned(tilt, mirrored, percent):
    part = OUTLINES["arrow"][0]
    sketch = replace(sketch_of("arrow", mirrored=mirrored), tilt=tilt, stretch_percent=percent)
    x, y = np.array(part.points).T - 50
    turned = (x * (-1) ** mirrored * percent / 100 + 1j * y) * complex(*TILTS[tilt])
    np.testing.assert_allclose(_placed(part, sketch) @ [1, 1j], turned, atol=2)  # cut to whole ones


@pytest.mark.parametrize("light", range(len(LIGHTS)))
def test_light_falls_from_one_side_and_the_rim_is_dark(light):
    shade = _shade(replace(sketch_of("cup"), light=light), np.ones((41, 67), np.uint8))
    y, x = np.indices(shape := (41, 67))
    right, down = LIGHTS[light]
    slope = right * (2 * x / shape[1] - 1) + down * (2 * y / shape[0] - 1)
    inner = (slice(3, -3), slice(3, -3))
    rounded = (shade - (100 - 18 * slope))[inner]  # to whole numbers, three times
    assert (rounded.min() >= 0, rounded.max() < 1.5) == (True, True)
    shade[inner] = 58
    assert np.unique(shade).tolist() == [58]


def test_the_longer_side_of_a_box_is_the_one_that_was_asked_for():
    drawings = [draw(sketch_of(name)) for name in CLASSES]
    assert {max(drawing.coverage.shape) for drawing in drawings} == {60}
    assert {drawing.coverage.dtype for drawing in drawings} == {np.dtype(np.int32)}
    assert {drawing.colour_sums.dtype for drawing in drawings} == {np.dtype(np.int32)}


@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_object_shows_the_colour_it_is_named_by(colour):
    drawing = draw(sketch_of("heart", colour=colour))
    whole = drawing.coverage == 16
    shown = np.median(drawing.colour_sums[whole] / 16, axis=0)
    nearest = min(COLOURS, key=lambda name: np.abs(np.subtract(COLOURS[name], shown)).sum())
    assert nearest == colour


@pytest.mark.parametrize("texture", ["striped", "dotted"])
def test_a_texture_shows_a_second_colour_on_a_good_part_of_the_object(texture):
    plain, textured = draw(sketch_of("heart")), draw(sketch_of("heart", texture=texture))
    differs = (abs(plain.colour_sums - textured.colour_sums).sum(axis=2) > 16 * 60).mean()
    assert 0.1 < differs < 0.6


def test_a_mirrored_cup_has_its_handle_on_the_other_side():
    cup, mirrored = draw(sketch_of("cup")), draw(sketch_of("cup", mirrored=True))
    mass_left = [d.coverage[:, :15].sum() / d.coverage[:, -15:].sum() for d in (cup, mirrored)]
    assert mass_left[0] > 1.2
    assert mass_left[1] < 1 / 1.2


def test_a_ring_lets_the_background_through():
    canvas = np.full((70, 80, 3), IMPOSSIBLE, dtype=np.int32)
    paste(canvas, draw(sketch_of("ring")), 5, 7)
    assert canvas[7 + 30, 5 + 30, 0] == IMPOSSIBLE
    assert canvas[7 + 30, 5 + 6, 0] != IMPOSSIBLE


def test_a_pixel_is_mixed_by_how_many_of_its_sixteen_parts_are_covered():
    coverage = np.array([[16, 4, 0], [12, 1, 8]], np.int32)
    object_colour, ground_colour = np.array([200, 8, 96]), np.array([40, 248, 16])
    canvas = np.broadcast_to(ground_colour, (5, 7, 3)).astype(np.int32)
    paste(canvas, Drawing(coverage[..., None] * object_colour, coverage), 2, 1)
    shares = np.zeros((5, 7, 1))
    shares[1:3, 2:5] = coverage[..., None] / 16
    expected = shares * object_colour + (1 - shares) * ground_colour
    np.testing.assert_array_equal(canvas, np.floor(expected))


def test_an_object_that_reaches_over_the_border_is_cut_off_there():
    whole = np.full((90, 90, 3), IMPOSSIBLE, dtype=np.int32)
    cut = np.full((40, 50, 3), IMPOSSIBLE, dtype=np.int32)
    drawing = draw(sketch_of("star"))
    paste(whole, drawing, 20, 20)
    paste(cut, drawing, 20 - 30, 20 - 25)
    np.testing.assert_array_equal(cut, whole[25:65, 30:80])


def drawn(name="book", size=60, **changes):
    """Return the mean colour of every pixel of a drawing, NaN where it covers nothing."""
    sketch = replace(sketch_of(name), longer_side_px=size, **changes)
    drawing = draw(sketch)
    with np.errstate(invalid="ignore", divide="ignore"):
        return drawing.colour_sums / drawing.coverage[..., None]


def light_of(colours, rows, columns):
    return np.nanmean(colours[rows, columns])


LEFT, RIGHT, TOP, BOTTOM = slice(4, 20), slice(-20, -4), slice(4, 20), slice(-20, -4)
EVERY = slice(4, -4)


@pytest.mark.parametrize(
    ("light", "right_is_darker", "below_is_darker"), [(0, 1, 1), (1, -1, 1), (2, 1, 0), (3, 0, 1)]
)
def test_light_falls_from_its_side(light, right_is_darker, below_is_darker):
    square = drawn("ring", light=light)
    across = light_of(square, EVERY, LEFT) - light_of(square, EVERY, RIGHT)
    down = light_of(square, TOP, EVERY) - light_of(square, BOTTOM, EVERY)
    assert np.sign(np.round(across / 8)) == right_is_darker
    assert np.sign(np.round(down / 8)) == below_is_darker


def test_the_rim_is_dark():
    heart = drawn("heart")
    column = heart[:, 30]
    inside = column[~np.isnan(column[:, 0])]
    assert inside[0].sum() < 0.75 * inside[5].sum()
    assert inside[-1].sum() < 0.75 * inside[-6].sum()


def texture(name, grain=0, size=60):
    """Return where the second colour lies on a square of 4 x 4 sub-pixels per pixel."""
    looks = Attributes("red", name, "large")
    sketch = replace(sketch_of("book"), attributes=looks, grain=grain, longer_side_px=size)
    return _texture(sketch, (4 * size, 4 * size + 12))


def test_stripes_run_across_their_grain():
    assert (texture("striped", 0) == texture("striped", 0)[:1]).all()  # from top to bottom
    assert (texture("striped", 1) == texture("striped", 1)[:, :1]).all()
    rising, falling = texture("striped", 2), texture("striped", 3)
    assert (rising[1:, :-1] == rising[:-1, 1:]).all()
    assert (falling[1:, 1:] == falling[:-1, :-1]).all()


@pytest.mark.parametrize("size", [27, 60])
def test_an_object_has_four_or_five_stripes_as_wide_as_the_gaps_whatever_its_size(size):
    row = texture("striped", 0, size)[0, : 4 * size]
    assert 4 <= (np.diff(row.astype(int)) == 1).sum() <= 5
    assert row.mean() == pytest.approx(0.5, abs=0.11)
    slanting = texture("striped", 2, size)[0, : 4 * size]  # wider apart, as they are slanted
    assert 2 <= (np.diff(slanting.astype(int)) == 1).sum() <= 4


def test_dots_are_round_and_every_other_column_is_shifted_by_half():
    labels, _ = ndimage.label(texture("dotted"))
    dots = [found for found in ndimage.find_objects(labels) if is_inside(found, labels.shape)]
    sides = [[part.stop - part.start for part in found] for found in dots]
    assert {abs(height - width) for height, width in sides} == {0}
    period = 60 // 4 * 4
    assert sides[0][0] == pytest.approx(2 * period / 3, abs=1)
    share = texture("dotted")[: 3 * period, : 4 * period].mean()
    assert share == pytest.approx(np.pi / 9, abs=0.01)
    tops = {}
    for rows, columns in dots:
        tops.setdefault(columns.start, set()).add(rows.start % period)
    starts = [tops[column] for column in sorted(tops)]
    assert all(len(found) == 1 for found in starts)
    shifts = {(next(iter(b)) - next(iter(a))) % period for a, b in pairwise(starts)}
    assert shifts == {period // 2}


def is_inside(found, shape):
    return all(part.start > 0 and part.stop < side for part, side in zip(found, shape, strict=True))


def test_a_plain_object_has_no_second_colour():
    assert not texture("plain").any()


def test_a_stretched_object_is_wider_and_a_tilted_one_leans():
    heights = [
        draw(replace(sketch_of("ring"), stretch_percent=s)).coverage.shape for s in (90, 110)
    ]
    assert heights[0][0] == heights[1][1] == 60
    assert heights[0][1] == pytest.approx(54, abs=1)
    assert heights[1][0] == pytest.approx(60 / 1.1, abs=1)
    plain, tilted = (draw(replace(sketch_of("book"), tilt=tilt)).coverage for tilt in (0, 5))
    assert (plain[0] > 0).mean() > 0.9
    assert (tilted[0] > 0).mean() < 0.5


def test_a_tint_shifts_each_colour_by_itself_and_black_has_light_parts():
    plain, tinted = drawn("heart"), drawn("heart", tint=(-12, 0, 12))
    shift = np.nanmedian((tinted - plain).reshape(-1, 3), axis=0)
    assert shift == pytest.approx([-12, 0, 12], abs=3)
    black = drawn("book", attributes=Attributes("black", "plain", "large"))
    assert np.nanmax(black) > 110


def test_no_colour_leaves_the_range_of_a_byte():
    assert np.nanmin(drawn("heart", tint=(-300, -300, -300))) == 0
    assert np.nanmax(drawn("heart", tint=(300, 300, 300))) == 255


@pytest.mark.parametrize("colour", ["white", "yellow"])
def test_a_light_object_has_dark_stripes_and_a_dark_one_light_ones(colour):
    def mean(colour, texture):
        return np.nanmean(drawn("arrow", attributes=Attributes(colour, texture, "large")))

    assert mean(colour, "striped") < mean(colour, "plain") - 15
    assert mean("blue", "striped") > mean("blue", "plain") + 15


def test_sketches_take_every_look_and_keep_class_and_size():
    rng = np.random.default_rng(0)
    made = [make_sketch(rng, 3, "small", 27) for _ in range(300)]
    assert {(one.class_index, one.attributes.size_name, one.longer_side_px) for one in made} == {
        (3, "small", 27)
    }
    assert {one.attributes.colour for one in made} == set(COLOURS)
    assert {one.mirrored for one in made} == {True, False}
    assert {one.tilt for one in made} == set(range(len(TILTS)))
    assert {one.light for one in made} == set(range(len(LIGHTS)))
    assert {one.grain for one in made} == set(range(len(GRAINS)))
    plain = np.mean([one.attributes.texture == "plain" for one in made])
    assert plain == pytest.approx(0.5, abs=0.1)
    assert {one.stretch_percent for one in made} == set(range(88, 113))
    for tints in zip(*(one.tint for one in made), strict=True):
        assert set(tints) == set(range(-14, 15))
