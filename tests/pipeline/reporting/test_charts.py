import io

import numpy as np
import pytest
from PIL import Image

from pipeline.reporting.charts import Bar, bar_chart_png, curves_png, reliability_png


def test_equal_charts_have_equal_bytes():
    bars = [Bar("a < b & c", 0.5, 0.4, 0.6, "model"), Bar("none", 0, 0, 0, "bound")]
    assert bar_chart_png(bars) == bar_chart_png(bars)
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
def test_panels_stand_three_in_a_row_and_name_what_they_are_drawn_over(count):
    curves = {f"curve {number}": [(1.0, 2.0), (2.0, number)] for number in range(count)}
    png = curves_png(curves, "step")
    rows = -(-count // 3)
    assert Image.open(io.BytesIO(png)).size[1] == pytest.approx(160 * (1.8 * rows + 0.25), abs=2)
    assert png != curves_png(curves, "epoch")


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
