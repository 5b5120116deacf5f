import csv

import pytest

from models.grounder.config import parse_depth
from pipeline.params.datasets import OwnDataset
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.tables.ablation_tables import NOT_RUN, PAPER_FILE, ablation_sections
from pipeline.tables.runs import Runs
from tests.conftest import ROOT


def paper():
    with PAPER_FILE.open(newline="") as stream:
        return list(csv.DictReader(stream))


def metrics(value):
    row = {"accuracy": value, "low": value - 0.02, "high": value + 0.04}
    return {"provenance": {"seed": 0}, "splits": {"test": {"methods": {"reg": row}}}}


def tables(metrics_of, depth="6+12"):
    siblings = {variant: [variant] for variant in metrics_of}
    runs = Runs("shapes", OwnDataset("jsonl", "a", "b", 0, 0), metrics_of, siblings)
    sections = ablation_sections(runs, depth)
    return [section.blocks[1] for section in sections]


def test_the_paper_has_nineteen_rows_and_its_full_model_is_the_same_in_every_table():
    rows = paper()
    assert [sum(row["table"] == number for row in rows) for number in "3456"] == [3, 7, 3, 6]
    full = [{**row, "table": "", "row": ""} for row in rows if row["variant"] == "full"]
    assert full == [full[0]] * 4
    assert full[0]["refcoco_val"] == "54.78"
    assert full[0]["flickr30k_test"] == "61.78"


def test_every_row_is_a_variant_that_differs_from_full_in_one_parameter():
    variants = read_params(ROOT / PARAMS_FILE).variants
    for row in paper():
        assert len(variants[row["variant"]]) == (row["variant"] != "full")


def test_the_parameter_of_a_row_is_what_the_row_is_called():
    variants = read_params(ROOT / PARAMS_FILE).variants
    for row in paper():
        changes = variants[row["variant"]]
        if row["table"] == "4" and changes:
            assert row["row"].replace("F", "") == changes["model.levels"]
        if row["table"] == "6" and changes:
            assert parse_depth(row["row"]) == parse_depth(changes["model.depth"])


def test_what_was_run_stands_beside_what_the_paper_reports():
    third, fourth, *_ = tables({"no_cam": metrics(0.25), "full": metrics(0.5)})
    assert third.columns[:4] == ["row", "variant", "test, final box", "test, best proposal"]
    assert third.columns[4] == "paper RefCOCO val"
    assert third.rows[0][:5] == ["neither", "no_cam", "25.0 +-3.0", "-", "49.38"]
    assert third.rows[1][2:4] == [NOT_RUN, NOT_RUN]
    assert third.rows[2][2] == fourth.rows[6][2] == "50.0 +-3.0"
    assert (third.strong, fourth.strong) == ({2}, {6})


@pytest.mark.parametrize(("depth", "cell"), [("6+12", "50.0 +-3.0"), ("1+2", NOT_RUN)])
def test_full_is_a_row_of_table_six_only_at_its_depth(depth, cell):
    third, _, _, sixth = tables({"full": metrics(0.5), "depth_3_6": metrics(0.25)}, depth)
    first = [NOT_RUN, "25.0 +-3.0", NOT_RUN]
    assert [row[2] for row in sixth.rows] == [*first, cell, NOT_RUN, NOT_RUN]
    assert third.rows[-1][2] == "50.0 +-3.0"
