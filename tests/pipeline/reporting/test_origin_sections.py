import io

import pytest
from PIL import Image

from pipeline.reporting.document import Picture
from pipeline.reporting.origin_sections import (
    curves_section,
    flat_rows,
    nouns_section,
    params_section,
    weights_section,
)


def test_sparse_and_textual_columns_of_the_curves_do_no_harm():
    content = "epoch,step,loss,vision_gap,note\n1,2,3.5,,a\n1,4,2.5,0.1,b\n"
    [picture] = curves_section(content).blocks
    assert isinstance(picture, Picture)
    assert Image.open(io.BytesIO(picture.content)).size[0] > 1000


@pytest.mark.parametrize("content", ["", "step,loss\n", "a,b\n1,2\n", "step,loss\n1,\n"])
def test_curves_that_hold_nothing_are_said_to_be_none(content):
    assert "no curves" in curves_section(content).blocks[0].text


def test_nested_values_become_dotted_rows_and_long_lists_short():
    rows = flat_rows({"a": {"b": 1, "c": {}}, "d": [1, {"x": "ü"}], "e": list(range(9)), "f": []})
    rows += flat_rows({"g": [0, 1, 2, 3, 4], "h": 12345678, "i": 2.0})
    assert rows == [
        ["a.b", "1"],
        ["a.c", "none"],
        ["d", '1, {"x": "ü"}'],
        ["e", "9: 0, 1, 2, 3, 4, ..."],
        ["f", "none"],
        ["g", "0, 1, 2, 3, 4"],
        ["h", "12345678"],
        ["i", "2"],
    ]


def test_a_part_of_unknown_origin_says_so():
    origin = {"leakage": "note", "leakage_possible": True}
    note, table = weights_section({"detector": {"source": "x", "licence": ""}}, origin).blocks
    assert note.warning
    assert table.columns == ("part", "training set", "licence", "source", "sha256")
    assert table.rows == [["detector", "unknown", "unknown", "x", "unknown"]]


def test_nouns_and_parameters_are_tables_of_keys_and_values():
    _, nouns = nouns_section({"head": {"covered": 0.25}}).blocks
    assert (nouns.columns, nouns.rows) == (("nouns", "value"), [["head.covered", "0.25"]])
    (params,) = params_section({"train": {"seed": 3}}).blocks
    assert (params.columns, params.rows) == (("parameter", "value"), [["train.seed", "3"]])
