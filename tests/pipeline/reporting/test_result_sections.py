import io

import numpy as np
import pytest
from PIL import Image

from pipeline.evaluation.aggregate import split_metrics
from pipeline.evaluation.leakage import image_source, leakage_note
from pipeline.params.datasets import Flickr30kDataset, OwnDataset, ReferringDataset, ShapesDataset
from pipeline.reporting.charts import Bar, bar_chart_png, curves_png
from pipeline.reporting.document import Picture, Table
from pipeline.reporting.origin_sections import curves_section, flat_rows, weights_section
from pipeline.reporting.result_sections import differences, groups, headline, results
from tests.hand_drawn import CAT, DOG, PARAMS, phrase_result, phrase_truth

SHAPES = ShapesDataset("shapes", 1, 2, 3, 4, 96)
FLICKR30K = Flickr30kDataset("flickr30k", "a", "b", 0, 0)
OWN = OwnDataset("jsonl", "a", "b", 0, 0)


def referring(layout, collection):
    return ReferringDataset(layout, collection, "a", "b", 0, 0)


@pytest.fixture(scope="module")
def found():
    rows = [
        phrase_result(phrase_truth(0), reg=DOG),
        phrase_result(phrase_truth(1, image="b"), reg=DOG),
        phrase_result(phrase_truth(2, image="c", boxes=[CAT], kinds=()), reg=DOG),
    ]
    return {**split_metrics(rows, PARAMS), "vision_gap": 0.25}


def table_of(section):
    return next(block for block in section.blocks if isinstance(block, Table))


def test_the_results_table_starts_with_the_model_and_ends_with_the_bounds(found):
    section = results("val", found)
    rows = table_of(section).rows
    assert rows[0][:4] == ["REG box: the model's answer", "66.7", "20.8 to 93.9", "66.7"]
    assert rows[-1][:2] == ["oracle, whole image added", "100.0"]
    assert len(rows) == len(found["methods"])
    assert {len(row) for row in rows} == {len(table_of(section).columns)}


def test_differences_have_one_row_per_baseline_and_no_bound(found):
    rows = {row[0]: row[1] for row in table_of(differences("val", found)).rows}
    assert rows["whole image"].startswith("+66.7 (")
    assert not [name for name in rows if name.startswith("oracle")]


def test_groups_show_their_counts(found):
    rows = table_of(groups("val", found)).rows
    assert ["animals", "2", "100.0", "0.0", "100.0", "100.0", "100.0", "100.0"] in [
        list(row) for row in rows
    ]
    assert {len(row) for row in rows} == {len(table_of(groups("val", found)).columns)}


def test_the_headline_warns_unless_the_model_is_surely_better(found):
    paragraphs = headline("val", found).blocks[1:]
    assert paragraphs[0].warning
    assert "may be chance" in paragraphs[0].text
    assert "0.25 nats" in paragraphs[-1].text


@pytest.mark.parametrize(("low", "high", "words"), [(0.1, 0.3, "is better"), (-0.3, -0.1, "worse")])
def test_the_verdict_follows_the_interval(found, low, high, words):
    row = {"difference": (low + high) / 2, "low": low, "high": high, "p": 0.5}
    others = dict.fromkeys(found["differences"]["reg"], row)
    told = headline("val", {**found, "differences": {"reg": others}}).blocks[1]
    assert words in told.text
    assert told.warning == (high < 0)


def test_sparse_and_textual_columns_of_the_curves_do_no_harm():
    content = "epoch,step,loss,vision_gap,note\n1,2,3.5,,a\n1,4,2.5,0.1,b\n"
    [picture] = curves_section(content).blocks
    assert isinstance(picture, Picture)
    assert Image.open(io.BytesIO(picture.content)).size[0] > 1000


@pytest.mark.parametrize("content", ["", "step,loss\n", "a,b\n1,2\n", "step,loss\n1,\n"])
def test_curves_that_hold_nothing_are_said_to_be_none(content):
    assert "no curves" in curves_section(content).blocks[0].text


def test_equal_charts_have_equal_bytes():
    bars = [Bar("a < b & c", 0.5, 0.4, 0.6, "model"), Bar("none", 0, 0, 0, "bound")]
    assert bar_chart_png(bars) == bar_chart_png(bars)
    curves = {"loss": [(1.0, 2.0), (2.0, 1.0)], "other": [(1.0, 2.0)]}
    assert curves_png(curves, "step") == curves_png(curves, "step")


def test_a_longer_bar_is_drawn_longer():
    png = bar_chart_png([Bar("a", 0.8, 0.8, 0.8, "model"), Bar("b", 0.2, 0.2, 0.2, "model")])
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    is_blue = np.abs(pixels - [0, 0x72, 0xB2]).sum(axis=2) < 12
    lengths = is_blue.sum(axis=1)
    half = len(lengths) // 2
    assert lengths[:half].max() == pytest.approx(4 * lengths[half:].max(), rel=0.03)


def test_nested_values_become_dotted_rows_and_long_lists_short():
    rows = flat_rows({"a": {"b": 1, "c": {}}, "d": [1, {"x": "ü"}], "e": list(range(9)), "f": []})
    assert rows == [
        ["a.b", "1"],
        ["a.c", "none"],
        ["d", '1, {"x": "ü"}'],
        ["e", "9: 0, 1, 2, 3, 4, ..."],
        ["f", "none"],
    ]


def test_a_part_of_unknown_origin_says_so():
    origin = {"leakage": "note", "leakage_possible": True}
    note, table = weights_section({"detector": {"source": "x", "licence": ""}}, origin).blocks
    assert note.warning
    assert table.rows == [["detector", "unknown", "unknown", "x", "unknown"]]


@pytest.mark.parametrize(
    ("section", "training_set", "possible", "words"),
    [
        (SHAPES, "drawn scenes", False, "disjoint"),
        (FLICKR30K, "COCO train2017", True, "Check"),
        (referring("refer", "refcoco_unc"), "COCO train2017", True, "LEAKAGE"),
        (referring("simrec", "refcocog_umd"), "Visual Genome, 1,600 classes", True, "LEAKAGE"),
        (referring("transvg", "refcoco_plus_unc"), "MS-COCO", True, "LEAKAGE"),
        (
            referring("refer", "refcoco_unc"),
            "COCO without RefCOCO's val and test",
            True,
            "leaves out",
        ),
        (referring("refer", "refcoco_unc"), "Objects365", True, "Check"),
        (referring("refer", "refclef_berkeley"), "COCO train2017", True, "Check"),
        (referring("transvg", "flickr30k"), "COCO train2017", True, "Check"),
        (OWN, "COCO train2017", True, "Check"),
        (FLICKR30K, "", True, "cannot be told"),
    ],
)
def test_leakage_is_told_by_dataset_and_training_set(section, training_set, possible, words):
    told = leakage_note(image_source(section), training_set)
    assert told[0] is possible
    assert words in told[1]
