"""The sections of a report on the accuracy of the methods.

Every function takes what `evaluation.json` holds of one split.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reporting.charts import Bar, bar_chart_png, reliability_png
from pipeline.reporting.document import Paragraph, Picture, Section, Table, Tile
from pipeline.reporting.methods import BOUNDS, MODEL_METHODS

LABELS = {
    "reg": "REG box: the model's answer",
    "proposal": "model's best proposal",
    "refined": "model's best proposal, refined",
    "random": "random proposal (expectation)",
    "whole_image": "whole image",
    "centre_70": "centre box, 70 % of each side",
    "centre_50": "centre box, 50 % of each side",
    "largest": "largest proposal",
    "top_score": "proposal of the highest score",
    "prior": "prior: label fit x score",
    "label_match": "label match, else whole image",
    "largest_label_match": "largest label match, else whole image",
    "number_match": "match of label and number, else whole image",
    "number_match_or_cam": "match of label and number, else CAM",
    "position_match": "match of label and position",
    "relation_match": "match of label, position and relation",
    "cam_box": "raw CAM, threshold box",
    "cam_proposal": "proposal by CAM sum / sqrt(area)",
    "oracle": "oracle: best proposal",
    "oracle_whole_image": "oracle, whole image added",
}
IN_GROUPS = {
    "reg": "REG box",
    "proposal": "proposal",
    "refined": "refined",
    "prior": "prior",
    "largest_label_match": "largest match",
    "number_match_or_cam": "number match or CAM",
    "oracle_whole_image": "oracle + image",
}
GROUP_TITLES = {
    "kind": "kind, as the dataset tells it",
    "words": "words in the phrase",
    "fitting_proposals": "proposals whose label fits best",
    "cam": "head noun has a CAM",
    "direction": "direction word in the phrase",
}
Metrics = Mapping[str, Any]


def percent(share: float) -> str:
    """Return a share in percent with one decimal."""
    return f"{100 * share:.1f}"


def interval(row: Metrics) -> str:
    """Return the 95 % interval of a row of metrics in percent."""
    return f"{percent(row['low'])} to {percent(row['high'])}"


def ordered(names: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Return method names as reports show them: the model's, then baselines, then bounds."""
    return [name for name in LABELS if name in names]


def headline(split: str, metrics: Metrics) -> Section:
    """Return the section that shows in a few numbers whether the model has learned anything."""
    methods = metrics["methods"]
    baselines = [name for name in ordered(methods) if name not in (*MODEL_METHODS, *BOUNDS)]
    best = max(baselines, key=lambda name: methods[name]["accuracy"])
    tiles = [
        _tile("REG box", methods["reg"], interval(methods["reg"])),
        _tile("model's best proposal", methods["proposal"], interval(methods["proposal"])),
        _tile("best baseline", methods[best], LABELS[best]),
        _tile("oracle, whole image added", methods[BOUNDS[1]],
              f"REG box reaches {percent(methods['reg']['of_oracle'])} % of it"),
    ]  # fmt: skip
    verdicts = [_verdict(other, metrics) for other in dict.fromkeys(("prior", best))]
    gap = Paragraph(
        f"The decoder finds a phrase's words {metrics['vision_gap']:.2f} nats a word harder when "
        "it is given another image's proposals: near 0 it ignores what it sees."
    )
    return Section(f"In short: {split}", [tiles, *verdicts, gap])


def results(split: str, metrics: Metrics) -> Section:
    """Return the section that lists every method and draws the accuracies."""
    methods = metrics["methods"]
    names = ordered(methods)
    columns = ("method", "hits %", "95 % interval", "of oracle", "any box", "mean IoU",
               "at 0.25", "at 0.75", "pointing")  # fmt: skip
    strong = frozenset(names.index(name) for name in MODEL_METHODS if name in names)
    rows = [_method_row(name, methods[name]) for name in names]
    bars = [method_bar(name, methods[name]) for name in names]
    return Section(
        f"Results: {split}",
        [
            Paragraph(
                f"{metrics['phrases']:,} phrases on {metrics['images']:,} images. A hit has an IoU "
                "of at least the threshold with the union of the annotated boxes; 'any box' takes "
                "the best of them; pointing: the centre of the box lies in the union. Intervals "
                "are Wilson's and count phrases as independent."
            ),
            Table(columns, rows, strong),
            Picture(f"accuracy_{split}.png", bar_chart_png(bars),
                    f"Hits on {split} with 95 % intervals: the model, baselines, bounds."),
        ],
    )  # fmt: skip


def differences(split: str, metrics: Metrics) -> Section:
    """Return the section on the model's methods against the baselines on the same phrases."""
    compared = metrics["differences"]
    ours = ordered(compared)
    others = ordered(compared[ours[0]])
    rows = [
        [LABELS[other], *(_difference(compared[one][other]) for one in ours)] for other in others
    ]
    text = (
        "How many points of hits the model is above each baseline on the same phrases, with 95 % "
        "intervals from resampling images, whose phrases are not independent."
    )
    table = Table(("baseline", *(IN_GROUPS[one] for one in ours)), rows)
    return Section(f"Differences: {split}", [Paragraph(text), table])


def groups(split: str, metrics: Metrics) -> Section:
    """Return the section of hits by properties of the phrases, and of how soon a proposal fits."""
    names = [name for name in IN_GROUPS if name in metrics["methods"]]
    rows: list[list[str]] = []
    titles: list[int] = []
    for by, members in metrics["groups"].items():
        titles.append(len(rows))
        rows.append([GROUP_TITLES.get(by, by), *[""] * (1 + len(names))])
        rows += [
            [group, f"{row[names[0]]['n']:,}", *(percent(row[name]["accuracy"]) for name in names)]
            for group, row in members.items()
        ]
    columns = ("hits in %", "phrases", *(IN_GROUPS[name] for name in names))
    recall = metrics["proposal_recall"]
    ranks = sorted(recall, key=int)
    return Section(
        f"By phrase: {split}",
        [
            Table(columns, rows, frozenset(titles)),
            Paragraph("Phrases for which one of the first proposals is a hit:"),
            Table(("first", *ranks), [["hits in %", *(percent(recall[rank]) for rank in ranks)]]),
        ],
    )


def confidence(split: str, metrics: Metrics) -> Section:
    """Return the section on how far the confidence of the final box can be trusted."""
    measured = metrics["confidence"]
    text = (
        "A phrase's confidence is the probability that its final box is a hit. It was fitted to "
        "annotated boxes of the other half of the images; the model itself never saw one. In bins "
        "of equally many phrases, confidence and share of hits differ by "
        f"{percent(measured['ece'])} points on average (expected calibration error); "
        f"{percent(measured['ece_by_chance'])} would be chance, and the probability of the "
        f"best proposal differs by {percent(measured['uncalibrated_ece'])}. Brier score "
        f"{measured['brier']:.3f}; {measured['brier_constant']:.3f} if every phrase had the same."
    )
    png = reliability_png(measured["bins"])
    caption = f"Hits by confidence on {split}, with 95 % intervals. Dashed: as it should be."
    picture = Picture(f"confidence_{split}.png", png, caption)
    return Section(f"Confidence: {split}", [Paragraph(text), picture])


def _tile(label: str, row: Metrics, note: str) -> Tile:
    return Tile(label, f"{percent(row['accuracy'])} %", note)


def _verdict(other: str, metrics: Metrics) -> Paragraph:
    row = metrics["differences"]["reg"][other]
    sentence = (
        f'The REG box differs from "{LABELS[other]}" by {_points(row["difference"])} points '
        f"(95 % interval {_points(row['low'])} to {_points(row['high'])})"
    )
    if row["low"] > 0:
        return Paragraph(f"{sentence}: it is better.")
    end = "it is worse" if row["high"] < 0 else "the difference may be chance"
    return Paragraph(f"{sentence}: {end}.", warning=True)


def _method_row(name: str, row: Metrics) -> list[str]:
    return [
        LABELS[name],
        percent(row["accuracy"]),
        interval(row),
        percent(row["of_oracle"]),
        percent(row["any_box"]),
        f"{row['mean_iou']:.3f}",
        percent(row["accuracy_25"]),
        percent(row["accuracy_75"]),
        percent(row["pointing"]),
    ]


def method_bar(name: str, row: Metrics) -> Bar:
    """Return the bar of one method's accuracy, coloured by what the method is."""
    kind = "model" if name in MODEL_METHODS else "bound" if name in BOUNDS else "untrained"
    return Bar(LABELS[name], row["accuracy"], row["low"], row["high"], kind)


def _difference(row: Metrics) -> str:
    return f"{_points(row['difference'])} ({_points(row['low'])} to {_points(row['high'])})"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
