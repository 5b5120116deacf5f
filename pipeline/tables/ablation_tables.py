"""The paper's Tables 3 to 6, filled in with what was run here, beside the paper's own numbers.

`paper_ablations.csv` beside it holds the paper's: "Improve weakly supervised visual grounding by
learning where to focus on" (anonymous submission), every row of Tables 3 to 6, Acc@0.5 in percent,
with the variant of params.yaml that is the row here. The last row of Tables 3, 4 and 5 and the row
6+12 of Table 6 are the same model, `full`.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.reporting.document import Paragraph, Section, Table
from pipeline.tables.runs import Runs

PAPER_FILE = Path(__file__).with_name("paper_ablations.csv")
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
    "referit_test": "ReferIt test",
    "flickr30k_test": "Flickr30K test",
}
METHODS = {"reg": "final box", "proposal": "best proposal"}
FULL, FULL_DEPTH = "full", "6+12"  # of the paper
NOT_RUN = "not run"


def ablation_sections(runs: Runs, full_depth: str) -> list[Section]:
    """Return one section per table of the paper, with a column for every split that was run.

    Args:
        runs: what was run on one dataset.
        full_depth: `model.depth` of the variant `full`.
    """
    rows = read_rows()
    return [
        Section(
            f"{runs.dataset}, {title}",
            [
                Paragraph(
                    f"{runs.dataset}: hits in %, of one training with half the width of the 95 % "
                    "interval (Wilson), of several with other seeds their mean, standard deviation "
                    "and number. Right of it what the paper reports on its datasets."
                ),
                Table(
                    _columns(runs.splits),
                    [_row(row, runs, full_depth) for row in rows if row["table"] == number],
                    frozenset({_last_of_full(rows, number)}),
                ),
            ],
        )
        for number, title in TITLES.items()
    ]


def read_rows() -> list[dict[str, str]]:
    """Return the paper's rows, with the variant of each."""
    with PAPER_FILE.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _columns(splits: Sequence[str]) -> list[str]:
    ours = [f"{split}, {method}" for split in splits for method in METHODS.values()]
    return ["row", "variant", *ours, *(f"paper {name}" for name in PAPER_COLUMNS.values())]


def _row(row: Mapping[str, str], runs: Runs, full_depth: str) -> list[str]:
    papers = [row[column] for column in PAPER_COLUMNS]
    return [row["row"], row["variant"], *_ours(row, runs, full_depth), *papers]


def _ours(row: Mapping[str, str], runs: Runs, full_depth: str) -> list[str]:
    """Return what was measured for a row; a row that was not run says so."""
    variant = row["variant"]
    is_other = row["table"] == "6" and variant == FULL and full_depth != FULL_DEPTH
    if is_other or not runs.was_run(variant):
        return [NOT_RUN for _ in runs.splits for _ in METHODS]
    return [runs.cell(variant, split, method) for split in runs.splits for method in METHODS]


def _last_of_full(rows: Sequence[Mapping[str, str]], number: str) -> int:
    variants = [row["variant"] for row in rows if row["table"] == number]
    return variants.index(FULL)
