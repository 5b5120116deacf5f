"""Models asked on other datasets than their own: a row per model, a column per split."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.reporting.document import Paragraph, Section, Table
from pipeline.tables.runs import NONE, Runs

TITLE = "Trained on one dataset, asked on another"


@dataclass(frozen=True)
class Asked:
    """What the models of one dataset say on one dataset, perhaps their own."""

    trained_on: str
    runs: Runs


def transfer_section(asked: Sequence[Asked], variants: Sequence[str]) -> Section:
    """Return the table of every model on every split that one of them was asked on.

    Args:
        asked: what was run.
        variants: each of one model.
    """
    columns = dict.fromkeys((one.runs.dataset, split) for one in asked for split in one.runs.splits)
    runs_of = {(one.trained_on, one.runs.dataset): one.runs for one in asked}
    rows = []
    for trained_on in dict.fromkeys(one.trained_on for one in asked):
        for variant in variants:
            cells = [
                runs.cell(variant, split) if (runs := runs_of.get((trained_on, dataset))) else NONE
                for dataset, split in columns
            ]
            rows.append([trained_on, variant, *cells])
    text = (
        "Hits of the final box in %; each column is a dataset and a split of it. Of a dataset that "
        "a model was not trained on, phrases and pictures are both new to it."
    )
    names = [f"{dataset} {split}" for dataset, split in columns]
    return Section(TITLE, [Paragraph(text), Table(("trained on", "variant", *names), rows)])
