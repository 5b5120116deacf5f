"""The charts that `dvc plots` shows, and puts beside those of another experiment.

They are PNG with titles and axes of their own, so that a page of them needs nothing from outside.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.reporting.charts import Bar, bar_chart_png, curves_png, line_png, reliability_png
from pipeline.reporting.document import Picture
from pipeline.reporting.methods import FINAL_BOX
from pipeline.reporting.origin_sections import read_curves
from pipeline.reporting.result_sections import LABELS, method_bar, ordered

Metrics = Mapping[str, Any]


def plots(splits: Mapping[str, Metrics], curves: str) -> Iterator[Picture]:
    """Yield the charts of one model.

    Args:
        splits: `splits` of `evaluation.json`.
        curves: content of `curves.csv`.
    """
    over, columns = read_curves(curves)
    losses = {name: points for name, points in columns.items() if name.endswith("loss")}
    if losses:
        yield Picture("losses.png", curves_png(losses, over, "Losses of the training"), "")
    for split, metrics in sorted(splits.items()):
        for name, content in _of_split(split, metrics):
            yield Picture(f"{name}_{split}.png", content, "")


def _of_split(split: str, metrics: Metrics) -> Iterator[tuple[str, bytes]]:
    """Yield name and PNG of the charts of one split."""
    methods = metrics["methods"]
    bars = [method_bar(name, methods[name]) for name in ordered(methods)]
    yield (
        "accuracy",
        bar_chart_png(bars, f"Hits by method, {metrics['phrases']:,} phrases: {split}"),
    )
    bars = [
        Bar(f"{by}: {group}", row["accuracy"], row["low"], row["high"], "model")
        for by, members in metrics["groups"].items()
        for group, row in ((group, rows[FINAL_BOX]) for group, rows in members.items())
    ]
    if bars:
        title = f"Hits by kind of phrase: {split}. {LABELS[FINAL_BOX]}"
        yield "kinds", bar_chart_png(bars, title)
    confidence = metrics["confidence"]
    title = f"Confidence: {split}. ECE {confidence['ece']:.3f}"
    yield "reliability", reliability_png(confidence["bins"], title)
    points = sorted((int(rank), 100 * share) for rank, share in metrics["proposal_recall"].items())
    labels = ("first proposals of an image", "% of phrases with a hit among them")
    yield "recall", line_png(points, labels, f"Proposal recall: {split}")
