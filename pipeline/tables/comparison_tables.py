"""The paper's Tables 1 and 2, methods of others on five datasets, with a row of what was run here.

`paper_comparison.csv` beside it holds every row of both, weak and full supervision, Acc@0.5 in
percent; an empty cell is a dash in the paper. Source: as of `ablation_tables`.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.params.datasets import DatasetSection, Flickr30kDataset, ReferringDataset
from pipeline.reporting.document import Paragraph, Section, Table
from pipeline.tables.ablation_tables import PAPER_COLUMNS
from pipeline.tables.runs import NONE, Runs

PAPER_FILE = Path(__file__).with_name("paper_comparison.csv")
TITLES = {"1": "Table 1: RefCOCO, RefCOCO+, RefCOCOg", "2": "Table 2: ReferItGame, Flickr30K"}
COLUMNS_OF = {"1": tuple(PAPER_COLUMNS)[:9], "2": tuple(PAPER_COLUMNS)[9:]}
COLUMN_OF_SPLIT = {  # (collection, split) -> the paper's column
    ("refcoco_unc", "val"): "refcoco_val",
    ("refcoco_unc", "testA"): "refcoco_testA",
    ("refcoco_unc", "testB"): "refcoco_testB",
    ("refcoco_plus_unc", "val"): "refcocoplus_val",
    ("refcoco_plus_unc", "testA"): "refcocoplus_testA",
    ("refcoco_plus_unc", "testB"): "refcocoplus_testB",
    ("refcocog_google", "val"): "refcocog_val_g",
    ("refcocog_umd", "val"): "refcocog_val_u",
    ("refcocog_umd", "test"): "refcocog_test_u",
    ("referit", "test"): "referit_test",
    ("flickr30k", "test"): "flickr30k_test",
}
OTHERS_IN = "2"  # the table that shows splits the paper has not


@dataclass(frozen=True)
class OurColumn:
    """A split that was run: the paper's column that it is, or a name of its own."""

    runs: Runs
    split: str
    column: str
    is_papers: bool


def comparison_sections(every_run: Sequence[Runs], variants: Sequence[str]) -> list[Section]:
    """Return Tables 1 and 2 with a row for each model that was run.

    Args:
        every_run: what was run, by dataset.
        variants: whose row is shown, each of one model.
    """
    ours = [_our_column(runs, split) for runs in every_run for split in runs.splits]
    with PAPER_FILE.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [_section(number, rows, ours, variants) for number in TITLES]


def _section(
    number: str,
    rows: Sequence[Mapping[str, str]],
    ours: Sequence[OurColumn],
    variants: Sequence[str],
) -> Section:
    extra = [one for one in ours if not one.is_papers and number == OTHERS_IN]
    names = [PAPER_COLUMNS[column] for column in COLUMNS_OF[number]]
    table = [_paper_row(row, number, len(extra)) for row in rows if row["table"] == number]
    shown = [_our_row(variant, number, ours, extra) for variant in variants]
    text = (
        "Rows of others and of the paper are as the paper prints them; a dash: no figure. The rows "
        "of this project are the final box of the models that were run: of one training with half "
        "the width of the 95 % interval, of several with other seeds their mean, standard "
        "deviation and number."
    )
    columns = ("method", "reference", "supervision", *names, *(one.column for one in extra))
    strong = frozenset(range(len(table), len(table) + len(shown)))
    return Section(TITLES[number], [Paragraph(text), Table(columns, [*table, *shown], strong)])


def _our_column(runs: Runs, split: str) -> OurColumn:
    column = COLUMN_OF_SPLIT.get((_collection(runs.section), split))
    return OurColumn(runs, split, column or f"{runs.dataset} {split}", column is not None)


def _collection(section: DatasetSection) -> str:
    if isinstance(section, ReferringDataset):
        return section.collection
    return "flickr30k" if isinstance(section, Flickr30kDataset) else ""


def _paper_row(row: Mapping[str, str], number: str, num_extra: int) -> list[str]:
    figures = [row[column] or NONE for column in COLUMNS_OF[number]]
    return [row["method"], row["reference"], row["supervision"], *figures, *[NONE] * num_extra]


def _our_row(
    variant: str, number: str, ours: Sequence[OurColumn], extra: Sequence[OurColumn]
) -> list[str]:
    of_column = {one.column: one for one in ours}
    columns = [of_column.get(column) for column in COLUMNS_OF[number]]
    cells = [one.runs.cell(variant, one.split) if one else NONE for one in (*columns, *extra)]
    return [f"this project, {variant}", "run here", "weak", *cells]
