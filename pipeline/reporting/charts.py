"""Charts as PNG: accuracies with their intervals, and curves."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

DPI = 160
FEW_POINTS = 20  # are marked, for a line of few may not be seen
GREY = "#5d6b7a"
COLOURS = {"model": "#0072b2", "untrained": "#9aa8b5", "bound": "#009e73"}


@dataclass(frozen=True)
class Bar:
    """One method: shares in [0, 1], and a key of `COLOURS`."""

    label: str
    accuracy: float
    low: float
    high: float
    kind: str


def bar_chart_png(bars: Sequence[Bar], title: str = "") -> bytes:
    """Return a PNG of horizontal bars in percent with 95 % intervals, the first on top."""
    figure = Figure(figsize=(8.2, 0.7 + 0.34 * len(bars)), layout="constrained")
    axes = figure.subplots()
    places = range(len(bars))
    values = [100 * bar.accuracy for bar in bars]
    errors = [
        [100 * max(0.0, bar.accuracy - bar.low) for bar in bars],
        [100 * max(0.0, bar.high - bar.accuracy) for bar in bars],
    ]
    axes.barh(
        places,
        values,
        0.68,
        xerr=errors,
        color=[COLOURS[bar.kind] for bar in bars],
        ecolor="#1c2430",
    )
    for place, bar in zip(places, bars, strict=True):
        text = f" {100 * bar.accuracy:.1f}"
        axes.text(100 * bar.high + 0.4, place, text, va="center", fontsize=9)
    axes.set_yticks(places, [bar.label for bar in bars], fontsize=9)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, min(108, 8 + 100 * max(bar.high for bar in bars)))
    axes.set_xlabel("hits, % of phrases", color=GREY, fontsize=9)
    _plain_frame(axes, "x")
    return _png(figure, title)


def line_png(points: Sequence[tuple[float, float]], labels: tuple[str, str], title: str) -> bytes:
    """Return a PNG of one line through points (x, y), with the labels of both axes."""
    figure = Figure(figsize=(8.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*points, strict=True), color=COLOURS["model"], marker="o", markersize=4)
    axes.set_xlabel(labels[0], color=GREY, fontsize=9)
    axes.set_ylabel(labels[1], color=GREY, fontsize=9)
    axes.set_ylim(0, 100)
    _plain_frame(axes, "y")
    return _png(figure, title)


def curves_png(
    curves: Mapping[str, Sequence[tuple[float, float]]], label: str, title: str = ""
) -> bytes:
    """Return a PNG of curves, points (step, value), each in a panel, three panels a row."""
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(
        figsize=(8.2, 1.8 * rows + 0.25), layout=ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.09)
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (name, points) in zip(panels, curves.items(), strict=False):
        marker = "o" if len(points) <= FEW_POINTS else "none"
        panel.plot(
            *zip(*points, strict=True),
            color=COLOURS["model"],
            marker=marker,
            markersize=3,
            linewidth=1.4,
        )
        panel.set_title(name, loc="left", fontsize=9)
        panel.margins(x=0.02)
        _plain_frame(panel, "y")
    for panel in panels[len(curves) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(curves) - columns) : len(curves)]:
        panel.set_xlabel(label, color=GREY, fontsize=8)
    return _png(figure, title)


def reliability_png(bins: Sequence[Mapping[str, float]], title: str = "") -> bytes:
    """Return a PNG of the share of hits over confidence, a point a bin, with 95 % intervals.

    Args:
        bins: of each `confidence`, `accuracy`, `low` and `high`, in [0, 1].
        title: of the chart.
    """
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    confidence, accuracy, low, high = (
        [100 * one[key] for one in bins] for key in ("confidence", "accuracy", "low", "high")
    )
    errors = [
        [max(0.0, middle - end) for middle, end in zip(accuracy, low, strict=True)],
        [max(0.0, end - middle) for middle, end in zip(accuracy, high, strict=True)],
    ]
    axes.plot([0, 100], [0, 100], color=COLOURS["untrained"], linewidth=1, linestyle="--")
    axes.errorbar(
        confidence,
        accuracy,
        errors,
        fmt="o",
        color=COLOURS["model"],
        markersize=5,
        elinewidth=1,
        clip_on=False,
    )
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.set_xlabel("confidence, %", color=GREY, fontsize=9)
    axes.set_ylabel("hits, % of phrases", color=GREY, fontsize=9)
    _plain_frame(axes, "both")
    return _png(figure, title)


def _plain_frame(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c4ccd4")
    axes.tick_params(colors=GREY, labelsize=8, length=3)
    axes.tick_params(axis="y", labelcolor="#1c2430")
    axes.grid(axis=grid, color="#e6eaee", linewidth=0.8)
    axes.set_axisbelow(True)


def _png(figure: Figure, title: str) -> bytes:
    figure.suptitle(title, fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()
