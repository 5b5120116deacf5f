import io

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from pipeline.reporting.charts import (
    COLOURS,
    FEW_POINTS,
    Bar,
    bar_chart_png,
    curves_png,
    line_png,
    reliability_png,
)


def test_equal_charts_have_equal_bytes():
    bars = [Bar("a < b & c", 0.5, 0.4, 0.6, "model"), Bar("none", 0, 0, 0, "bound")]
    assert bar_chart_png(bars) == bar_chart_png(bars)
    assert "Software" not in Image.open(io.BytesIO(bar_chart_png(bars))).info  # has a version
    curves = {"loss": [(1.0, 2.0), (2.0, 1.0)], "other": [(1.0, 2.0)]}
    assert curves_png(curves, "step") == curves_png(curves, "step")


def test_a_longer_bar_is_drawn_longer():
    png = bar_chart_png([Bar("a", 0.8, 0.8, 0.8, "model"), Bar("b", 0.2, 0.2, 0.2, "model")])
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    is_blue = np.abs(pixels - [0, 0x72, 0xB2]).sum(axis=2) < 12
    lengths = is_blue.sum(axis=1)
    half = len(lengths) // 2
    assert lengths[:half].max() == pytest.approx(4 * lengths[half:].max(), rel=0.03)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_panels_stand_three_in_a_row(count):
    curves = {f"curve {number}": [(1.0, 2.0), (2.0, number)] for number in range(count)}
    png = curves_png(curves, "step")
    rows = -(-count // 3)
    assert Image.open(io.BytesIO(png)).size[1] == pytest.approx(160 * (1.8 * rows + 0.25), abs=2)


def test_charts_are_as_wide_as_a_page_and_bars_take_equal_room():
    bins = [{"confidence": 0.5, "accuracy": 0.5, "low": 0.5, "high": 0.5}]
    charts = [
        bar_chart_png([Bar("a", 0.5, 0.4, 0.6, "model")] * 3),
        line_png([(1, 20), (3, 40)], ("x", "y"), "title"),
        curves_png({"loss": [(1.0, 2.0)]}, "step"),
        reliability_png(bins),
    ]
    inches = [(8.2, 0.7 + 3 * 0.34), (8.2, 4.2), (8.2, 1.8 + 0.25), (4.6, 4.4)]
    for png, expected in zip(charts, inches, strict=True):
        size = Image.open(io.BytesIO(png)).size
        assert size == pytest.approx(160 * np.array(expected), abs=1)


def test_of_a_single_point_there_is_a_mark():
    blue = np.array([0, 0x72, 0xB2])
    png = curves_png({"loss": [(1.0, 2.0)]}, "step")
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    assert (np.abs(pixels - blue).sum(axis=2) < 12).sum() > 20


def centre_of_marks(confidence, accuracy):
    """Return mean row and column of the blue pixels of a diagram of one bin."""
    bins = [{"confidence": confidence, "accuracy": accuracy, "low": accuracy, "high": accuracy}]
    pixels = np.asarray(Image.open(io.BytesIO(reliability_png(bins))).convert("RGB")).astype(int)
    return np.argwhere(np.abs(pixels - [0, 0x72, 0xB2]).sum(axis=2) < 12).mean(axis=0)


def test_hits_are_drawn_over_confidence_on_equal_axes():
    row, column = centre_of_marks(0.5, 0.5)
    surer, better = centre_of_marks(0.8, 0.5), centre_of_marks(0.5, 0.8)
    assert surer[0] == pytest.approx(row, abs=1)
    assert better[1] == pytest.approx(column, abs=1)
    assert surer[1] - column == pytest.approx(row - better[0], abs=2)
    assert surer[1] > column + 50


@pytest.fixture
def drawn(figures):
    """Return a function that draws a chart and returns the panels and the title it saved."""

    def draw(make, *arguments):
        make(*arguments)
        return figures[-1].axes, figures[-1].get_suptitle()

    return draw


def test_bars_stand_under_their_names_with_their_intervals(drawn):
    bars = [Bar("first", 0.5, 0.375, 0.75, "model"), Bar("second", 0.25, 0.25, 0.25, "bound")]
    [axes], title = drawn(bar_chart_png, bars, "hits")
    assert title == "hits"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert [bar.get_width() for bar in axes.patches] == [50, 25]
    assert [text.get_text().strip() for text in axes.texts] == ["50.0", "25.0"]
    assert axes.texts[0].get_position()[0] > 75  # behind the intervals
    colours = [to_rgba(COLOURS[kind]) for kind in ("model", "bound")]
    assert [bar.get_facecolor() for bar in axes.patches] == colours
    [intervals] = axes.collections
    ends = [(*part[:, 0], *part[:, 1]) for part in intervals.get_segments()]
    assert ends == [(37.5, 75, 0, 0), (25, 25, 1, 1)]
    assert axes.get_xlim() == (0, 83)
    bottom, top = axes.get_ylim()
    assert top < 0 < 1 < bottom  # the first is above
    assert {line.get_visible() for line in axes.get_xgridlines()} == {True}
    assert {line.get_visible() for line in axes.get_ygridlines()} == {False}
    assert axes.get_xlabel()
    [axes], title = drawn(bar_chart_png, [Bar("all", 1, 1, 1, "model")])
    assert (axes.get_xlim(), title) == ((0, 108), "")


def test_a_line_has_its_points_and_the_names_of_its_axes(drawn):
    [axes], title = drawn(line_png, [(1, 20), (3, 40)], ("across", "up"), "title")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 20], [3, 40]])
    assert (axes.get_xlabel(), axes.get_ylabel(), title) == ("across", "up", "title")
    assert (axes.get_ylim(), axes.lines[0].get_marker()) == ((0, 100), "o")


def test_the_lowest_panels_name_what_is_across_and_few_points_are_marked(drawn):
    lengths = (FEW_POINTS, FEW_POINTS + 1, 2, 3)
    curves = {f"of {n}": [(float(x), 1.0) for x in range(n)] for n in lengths}
    axes, _ = drawn(curves_png, curves, "step")
    assert [panel.get_title(loc="left") for panel in axes[:4]] == [*curves]
    assert [panel.get_xlabel() for panel in axes] == ["", "step", "step", "step", "", ""]
    assert [panel.lines[0].get_marker() for panel in axes[:4]] == ["o", "none", "o", "o"]
    assert [panel.axison for panel in axes] == [True] * 4 + [False] * 2


def test_what_is_calibrated_lies_on_the_diagonal(drawn):
    bins = [{"confidence": 0.25, "accuracy": 0.5, "low": 0.375, "high": 0.75}]
    [axes], title = drawn(reliability_png, bins, "sure")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 0], [100, 100]])
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), [[25, 50]])
    np.testing.assert_array_equal(axes.collections[0].get_segments(), [[[25, 37.5], [25, 75]]])
    assert (axes.get_xlim(), axes.get_ylim(), title) == ((0, 100), (0, 100), "sure")
    assert axes.get_xlabel() != axes.get_ylabel() != ""
    assert axes.lines[0].get_linestyle() == "--"  # as the caption says
    assert not axes.lines[1].get_clip_on()  # a mark at the border is whole


def test_an_interval_that_ends_a_rounding_before_its_value_is_drawn(drawn):
    row = {"accuracy": 0.5, "low": 0.5 + 1e-9, "high": 0.5 - 1e-9}
    [axes], _ = drawn(bar_chart_png, [Bar("all", **row, kind="model")])
    [part] = axes.collections[0].get_segments()
    np.testing.assert_array_equal(part[:, 0], [50, 50])
    [axes], _ = drawn(reliability_png, [row | {"confidence": 0.5}])
    [part] = axes.collections[0].get_segments()
    np.testing.assert_array_equal(part[:, 1], [50, 50])
