import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.datasets.shapes.background import (
    _blob,
    _clouds,
    _corner,
    _line,
    _pattern,
    _shard,
    add_grain,
    draw_background,
)
from pipeline.datasets.shapes.vocabulary import COLOURS


def test_backgrounds_differ_and_are_textured(scenes):
    corners = [scene.image[:12, :12].astype(float) for scene in scenes]
    assert np.std([corner.mean() for corner in corners]) > 8
    assert min(corner.std() for corner in corners) > 3


def ground(seed, num_marks, image_hw=(61, 83)):
    return draw_background(np.random.default_rng(seed), image_hw, num_marks)


def test_a_background_has_its_size_and_its_range():
    found = ground(0, 5)
    assert (found.shape, found.dtype) == ((61, 83, 3), np.int32)
    assert found.min() >= 0
    assert found.max() <= 255


class Brightest:
    """Draws the highest number, but of four kinds of pattern the second: tiles."""

    def integers(self, low, high=None, size=None):
        highest = 1 if (low, high) == (4, None) else (high or low) - 1
        return highest if size is None else np.full(size, highest)


def test_the_lightest_ground_ends_at_white():
    clouds = 127 * 36 // 128 + 127 * 20 // 128
    dark_tile = 194 + clouds - 23 // 2
    assert 194 + clouds + 23 - 23 // 2 > 255
    lightest = draw_background(Brightest(), (61, 83), num_marks=0)
    assert np.unique(lightest).tolist() == [dark_tile, 255]


def test_marks_are_small_and_as_many_as_asked_for():
    extents, shares = [], []
    for seed in range(60):
        changed = (ground(seed, 1) != ground(seed, 0)).any(2)
        if changed.any():
            rows, columns = np.nonzero(changed)
            extents += [np.ptp(rows) + 1, np.ptp(columns) + 1]
        shares.append([(ground(seed, n) != ground(seed, 0)).mean() for n in (1, 9)])
    assert len(extents) > 100
    assert 6 < max(extents) <= 14  # a line of ten pixels and its own width
    few, many = np.mean(shares, axis=0)
    assert many > 5 * few


@pytest.mark.parametrize("image_hw", [(31, 97), (97, 31)])
def test_marks_lie_all_over_the_picture(image_hw):
    marked = np.any(ground(0, 400, image_hw) != ground(0, 0, image_hw), axis=2)
    assert marked.any(0).all()
    assert marked.any(1).all()


def test_a_third_of_the_marks_have_a_colour_that_phrases_name():
    named = []
    for seed in range(120):
        marked = ground(seed, 1)
        changed = (marked != ground(seed, 0)).any(2)
        if changed.any():
            colours = {tuple(pixel) for pixel in marked[changed].tolist()}
            named.append(bool(colours & set(COLOURS.values())))
    assert len(named) > 100
    assert np.mean(named) == pytest.approx(1 / 3, abs=0.12)


def extents_of(mark):
    """Return height and width of many marks of a kind, all of one colour (N, 2)."""
    rng, extents = np.random.default_rng(0), []
    for _ in range(400):
        canvas = Image.new("RGB", (50, 50))
        mark(rng, ImageDraw.Draw(canvas), 20, 25, (9, 80, 200))
        rows, columns = np.nonzero(np.asarray(canvas).any(2))
        assert np.asarray(canvas)[rows, columns].tolist() == [[9, 80, 200]] * len(rows)
        extents.append((np.ptp(rows) + 1, np.ptp(columns) + 1))
    return np.array(extents)


@pytest.mark.parametrize(
    ("mark", "fewest", "most"),
    [(_line, 1, 13), (_blob, 3, 9), (_shard, 1, 10), (_corner, 5, 12)],
)
def test_every_kind_of_mark_has_its_extent(mark, fewest, most):
    extents = extents_of(mark)
    assert (extents.min(), extents.max()) == (fewest, most)


@pytest.mark.parametrize(
    ("mark", "reach"),  # to the left, up, to the right and down
    [(_line, [10] * 4), (_blob, [0, 0, 8, 8]), (_shard, [0, 0, 9, 9]), (_corner, [0, 0, 10, 10])],
)
def test_every_kind_of_mark_reaches_so_far_from_its_place(mark, reach):
    rng, canvas = np.random.default_rng(0), Image.new("RGB", (50, 50))
    for _ in range(1000):
        mark(rng, ImageDraw.Draw(canvas), 20, 25, (9, 80, 200))
    left, top, right, bottom = canvas.getbbox()
    found = [20 - left, 25 - top, right - 1 - 20, bottom - 1 - 25]
    assert found == pytest.approx(reach, abs=1)  # of a line's own width


def test_a_level_line_is_one_to_three_pixels_thick():
    heights, widths = extents_of(_line).T
    assert heights[widths > 6].min() == 1
    assert set(heights[widths > 6]) >= {1, 2, 3}


def runs(row):
    """Return the lengths of the runs of dark pixels between light ones."""
    edges = np.flatnonzero(np.diff(row.astype(int)))
    return set(np.diff(edges)[0 if row[edges[0] + 1] else 1 :: 2].tolist())


def test_gaps_between_planks_are_two_pixels_wide_and_shifted_from_plank_to_plank():
    patterns = [_pattern(np.random.default_rng(seed), (189, 320))[..., 0] < 0 for seed in range(60)]
    planks = [dark for dark in patterns if dark.any() and dark.mean() < 0.2]
    assert planks
    for dark in planks:
        is_gap = dark.all(axis=1)
        assert runs(is_gap) == {2}
        starts = np.flatnonzero(np.diff(is_gap.astype(int)) == 1)
        period = int(starts[1] - starts[0])
        first, second = (np.flatnonzero(dark[start + period // 2]) for start in starts[:2])
        assert runs(dark[starts[0] + period // 2]) == {2}
        assert {int(x) % (3 * period) for x in first} == {
            (int(x) + 37) % (3 * period) for x in second
        }


def test_clouds_are_smooth_and_swing_around_zero_within_their_strength():
    clouds = _clouds(np.random.default_rng(0), (71, 97), 5, 40)
    assert clouds.shape == (71, 97, 3)
    assert 20 < np.abs(clouds).max() <= 40
    assert abs(clouds.mean()) < 8
    assert np.abs(np.diff(clouds, axis=0)).max() <= 2 * 40 * 5 / 71 + 1
    assert np.abs(np.diff(clouds, axis=1)).max() <= 2 * 40 * 5 / 97 + 1
    assert not np.array_equal(clouds[..., 0], clouds[..., 1])


def test_wide_faint_patches_lie_on_clouds_and_pattern():
    image_hw, shares = (61, 83), []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        base = rng.integers(95, 195, size=3)
        muted = (base + base.sum() // 3) // 2
        clouds = _clouds(rng, image_hw, 4, 36) + _clouds(rng, image_hw, 14, 20)
        bare = np.minimum(muted + clouds + _pattern(rng, image_hw), 255)
        shifts = np.abs(ground(seed, 0) - bare)
        assert shifts.max() <= 3 * 0.28 * 210  # three patches, each below 70 of 255
        shares.append(shifts.any(2).mean())
    assert 0.2 < np.mean(shares) < 0.7


def test_a_pattern_is_planks_tiles_a_slope_or_nothing():
    patterns = [_pattern(np.random.default_rng(seed), (89, 120)) for seed in range(60)]
    assert {pattern.shape for pattern in patterns} == {(89, 120, 1)}
    assert all(pattern.min() >= -24 and pattern.max() <= 12 for pattern in patterns)
    values = [len(np.unique(pattern)) for pattern in patterns]
    assert 5 < values.count(1) < 30
    two = [pattern for pattern, count in zip(patterns, values, strict=True) if count == 2]
    shares = [(pattern < 0).mean() for pattern in two]
    assert any(share < 0.25 for share in shares)  # the gaps between planks
    assert any(0.4 < share < 0.6 for share in shares)  # every other tile
    assert any(count > 5 for count in values)


def test_the_grain_is_weak_light_scales_all_and_nothing_leaves_the_range():
    exposures = []
    for seed in range(80):
        picture = add_grain(np.random.default_rng(seed), np.full((40, 30, 3), 100, np.int32))
        assert (picture.shape, picture.dtype) == ((40, 30, 3), np.uint8)
        exposures.append(np.median(picture))
        assert np.abs(picture - exposures[-1]).max() <= 11
    assert (min(exposures), max(exposures)) == (pytest.approx(88, abs=2), pytest.approx(112, abs=2))
    dark = add_grain(np.random.default_rng(0), np.zeros((40, 30, 3), np.int32))
    light = add_grain(np.random.default_rng(0), np.full((40, 30, 3), 255, np.int32))
    assert (dark.max() <= 10, light.min() >= 200) == (True, True)


def test_the_grain_of_the_colours_of_a_pixel_is_partly_one():
    noise = add_grain(np.random.default_rng(3), np.full((90, 90, 3), 100, np.int32)).astype(float)
    red, green = noise[..., 0].ravel(), noise[..., 1].ravel()
    assert np.corrcoef(red, green)[0, 1] == pytest.approx(0.5, abs=0.05)
