"""The paper's Tables 3 to 6, filled in with what was run here, beside the paper's own numbers.

`paper_tables.csv` beside it holds the paper's: "Improve weakly supervised visual grounding by
learning where to focus on" (anonymous submission), every row of Tables 3 to 6, Acc@0.5 in percent,
with the variant of params.yaml that is the row here. The last row of Tables 3, 4 and 5 and the row
6+12 of Table 6 are the same model, `full`.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reporting.document import Paragraph, Section, Table

PAPER_FILE = Path(__file__).with_name("paper_tables.csv")
TITLES = {
    "3": "Table 3: CAM encoder and attention mining",
    "4": "Table 4: levels of the backbone",
    "5": "Table 5: fusion of the branches",
    "6": "Table 6: layers of visual + language encoder",
}
PAPER_COLUMNS = {
    "refcoco_val": "RefCOCO val",
    "refcoco_testA": "testA",
    "refcoco_testB": "testB",
    "refcocoplus_val": "RefCOCO+ val",
    "refcocoplus_testA": "testA",
    "refcocoplus_testB": "testB",
    "refcocog_val_g": "RefCOCOg val-g",
    "refcocog_val_u": "val-u",
    "refcocog_test_u": "test-u",
    "referit_test": "ReferItGame test",
    "flickr30k_test": "Flickr30K test",
}
METHODS = {"reg": "final box", "proposal": "best proposal"}
FULL, FULL_DEPTH = "full", "6+12"  # of the paper
NOT_RUN = "not run"
Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Runs:
    """What was run on one dataset.

    Attributes:
        dataset: its name.
        metrics: what `evaluation.json` holds, by variant.
        full_depth: `model.depth` of the variant `full`.
    """

    dataset: str
    metrics: Mapping[str, Metrics]
    full_depth: str


def table_sections(runs: Runs) -> list[Section]:
    """Return one section per table of the paper, with a column for every split that was run."""
    splits = sorted({split for metrics in runs.metrics.values() for split in metrics["splits"]})
    rows = _paper_rows()
    return [
        Section(
            f"{runs.dataset}, {title}",
            [
                Paragraph(
                    f"{runs.dataset}: hits in % with half the width of the 95 % interval (Wilson), "
                    "one training each. Right of it what the paper reports on its datasets."
                ),
                Table(
                    _columns(splits),
                    [_row(row, runs, splits) for row in rows if row["table"] == number],
                    frozenset({_last_of_full(rows, number)}),
                ),
            ],
        )
        for number, title in TITLES.items()
    ]


def accuracy(method: Metrics | None) -> str:
    """Return an accuracy in percent and half the width of its interval, or a dash."""
    if method is None:
        return "-"
    return f"{100 * method['accuracy']:.1f} +-{50 * (method['high'] - method['low']):.1f}"


def _paper_rows() -> list[dict[str, str]]:
    with PAPER_FILE.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _columns(splits: Sequence[str]) -> list[str]:
    ours = [f"{split}, {method}" for split in splits for method in METHODS.values()]
    return ["row", "variant", *ours, *(f"paper: {name}" for name in PAPER_COLUMNS.values())]


def _row(row: Mapping[str, str], runs: Runs, splits: Sequence[str]) -> list[str]:
    papers = [row[column] for column in PAPER_COLUMNS]
    return [row["row"], row["variant"], *_ours(row, runs, splits), *papers]


def _ours(row: Mapping[str, str], runs: Runs, splits: Sequence[str]) -> list[str]:
    """Return what was measured for a row; a row that was not run says so."""
    metrics = runs.metrics.get(row["variant"])
    if row["table"] == "6" and row["variant"] == FULL and runs.full_depth != FULL_DEPTH:
        metrics = None  # `full` has another depth than this row
    if metrics is None:
        return [NOT_RUN for _ in splits for _ in METHODS]
    measured = [metrics["splits"].get(split, {"methods": {}})["methods"] for split in splits]
    return [accuracy(methods.get(method)) for methods in measured for method in METHODS]


def _last_of_full(rows: Sequence[Mapping[str, str]], number: str) -> int:
    variants = [row["variant"] for row in rows if row["table"] == number]
    return variants.index(FULL)
