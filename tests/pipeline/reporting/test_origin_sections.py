import io

import pytest
from PIL import Image

from pipeline.reporting.document import Picture
from pipeline.reporting.origin_sections import (
    curves_section,
    flat_rows,
    nouns_section,
    params_section,
    read_curves,
    weights_section,
)


def test_sparse_and_textual_columns_of_the_curves_do_no_harm():
    content = "epoch,step,loss,vision_gap,note\n1,2,3.5,,a\n1,4,2.5,0.1,b\n"
    section = curves_section(content)
    [picture] = section.blocks
    assert isinstance(picture, Picture)
    assert (section.title, picture.name) == ("Training", "curves.png")
    assert Image.open(io.BytesIO(picture.content)).size[0] > 1000


def test_curves_are_the_numbers_of_each_column_over_the_steps():
    content = "epoch,step,loss,vision_gap,note\n1,2,3.5,,a\n1,4,2.5,0.125,3\n"
    curves = {"loss": [(2.0, 3.5), (4.0, 2.5)], "vision_gap": [(4.0, 0.125)]}
    assert read_curves(content) == ("step", curves)
    assert read_curves("loss,epoch\n3.5,2\n") == ("epoch", {"loss": [(2.0, 3.5)]})


@pytest.mark.parametrize("content", ["", "step,loss\n", "a,b\n1,2\n", "step,loss\n1,\n"])
def test_curves_that_hold_nothing_are_said_to_be_none(content):
    assert "no curves" in curves_section(content).blocks[0].text


def test_nested_values_become_dotted_rows_and_long_lists_short():
    rows = flat_rows({"a": {"b": 1, "c": {}}, "d": [1, {"x": "ü"}], "e": list(range(9)), "f": []})
    rows += flat_rows({"g": [0, 1, 2, 3, 4], "h": 12345678, "i": 2.0, "j": ["x", None]})
    assert rows == [
        ["a.b", "1"],
        ["a.c", "none"],
        ["d", '1, {"x": "ü"}'],
        ["e", "9: 0, 1, 2, 3, 4, ..."],
        ["f", "none"],
        ["g", "0, 1, 2, 3, 4"],
        ["h", "12345678"],
        ["i", "2"],
        ["j", "x, None"],
    ]


def test_a_part_of_unknown_origin_says_so():
    origin = {"leakage": "note", "leakage_possible": True}
    note, table = weights_section({"detector": {"source": "x", "licence": ""}}, origin).blocks
    assert (note.text, note.warning) == ("note", True)
    assert table.columns == ("part", "training set", "licence", "source", "sha256")
    assert table.rows == [["detector", "unknown", "unknown", "x", "unknown"]]


def test_parts_stand_in_order_each_value_in_its_column():
    origin = {"leakage": "note", "leakage_possible": False}
    entry = {"source": "x", "licence": "MIT", "training_set": "VG", "sha256": "ab"}
    note, table = weights_section({"tagger": entry, "detector": entry}, origin).blocks
    assert not note.warning
    assert table.rows == [[part, "VG", "MIT", "x", "ab"] for part in ("detector", "tagger")]


def test_nouns_and_parameters_are_tables_of_keys_and_values():
    origin = {"leakage": "", "leakage_possible": False}
    made = (nouns_section({}), params_section({}), weights_section({}, origin), curves_section(""))
    assert [one.title for one in made] == ["Nouns", "Parameters", "Weights", "Training"]
    _, nouns = nouns_section({"head": {"covered": 0.25}}).blocks
    assert (nouns.columns, nouns.rows) == (("nouns", "value"), [["head.covered", "0.25"]])
    (params,) = params_section({"train": {"seed": 3}}).blocks
    assert (params.columns, params.rows) == (("parameter", "value"), [["train.seed", "3"]])
