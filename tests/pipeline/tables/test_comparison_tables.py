import csv

import pytest

from pipeline.datasets.published import PUBLISHED
from pipeline.params.datasets import Flickr30kDataset, OwnDataset, ReferringDataset
from pipeline.tables.comparison_tables import (
    COLUMN_OF_SPLIT,
    COLUMNS_OF,
    PAPER_FILE,
    comparison_sections,
)
from pipeline.tables.runs import Runs

FLICKR = Flickr30kDataset("flickr30k", "a", "b", 0, 0)
OWN = OwnDataset("jsonl", "a", "b", 0, 0)


def paper():
    with PAPER_FILE.open(newline="") as stream:
        return list(csv.DictReader(stream))


def runs(name, section, **accuracies):
    splits = {
        split: {"methods": {"reg": {"accuracy": value, "low": value, "high": value}}}
        for split, value in accuracies.items()
    }
    metrics = {"full": {"provenance": {"seed": 0}, "splits": splits}}
    return Runs(name, section, metrics, {"full": ["full"]})


def tables(*every_run):
    return [section.blocks[1] for section in comparison_sections(every_run, ["full"])]


def test_the_papers_rows_are_all_there():
    rows = paper()
    assert [sum(row["table"] == number for row in rows) for number in "12"] == [11, 13]
    assert {row["supervision"] for row in rows} == {"weak", "full"}
    ours = [row for row in rows if row["method"] == "the paper"]
    assert (ours[0]["refcocog_test_u"], ours[1]["flickr30k_test"]) == ("51.25", "61.78")


def test_every_column_of_the_paper_is_a_split_that_its_collection_has():
    assert set(COLUMN_OF_SPLIT.values()) == {*COLUMNS_OF["1"], *COLUMNS_OF["2"]}
    for collection, split in COLUMN_OF_SPLIT:
        assert split in PUBLISHED[collection].counts


@pytest.mark.parametrize("layout", ["refer", "transvg", "simrec"])
def test_a_split_of_the_paper_stands_in_its_column_whatever_the_dataset_is_called(layout):
    section = ReferringDataset(layout, "refcocog_umd", "a", "b", 0, 0)
    first, second = tables(runs("mine", section, test=0.25, val=0.5), runs("x", FLICKR, test=0.75))
    row = dict(zip(COLUMNS_OF["1"], first.rows[-1][3:], strict=True))
    assert row["refcocog_test_u"] == "25.0 +-0.0"
    assert row["refcocog_val_u"] == "50.0 +-0.0"
    assert set(row.values()) == {"25.0 +-0.0", "50.0 +-0.0", "-"}
    assert second.rows[-1][3:] == ["-", "75.0 +-0.0"]


def test_a_split_that_the_paper_has_not_is_a_column_of_its_own():
    first, second = tables(runs("pets", OWN, test=0.125), runs("x", FLICKR, val=0.5))
    assert second.columns[-2:] == ("pets test", "x val")
    assert second.rows[-1][3:] == ["-", "-", "12.5 +-0.0", "50.0 +-0.0"]
    assert {len(row) for row in second.rows} == {len(second.columns)}
    assert len(first.columns) == 3 + 9


def test_an_empty_cell_of_the_paper_is_a_dash_and_our_row_stands_out():
    first, _ = tables(runs("x", FLICKR, test=0.5))
    assert first.rows[0][:5] == ["VC", "Zhang et al. 2018", "weak", "-", "33.29"]
    assert first.strong == {11}
    assert first.columns[:4] == ("method", "reference", "supervision", "RefCOCO val")
    assert first.rows[-1][2] == "weak"
    assert "full" in first.rows[-1][0]
