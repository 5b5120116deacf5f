import pytest

from pipeline.evaluation.aggregate import split_metrics
from pipeline.reporting.document import Paragraph, Picture, Table
from pipeline.reporting.result_sections import (
    confidence,
    differences,
    groups,
    headline,
    method_bar,
    results,
)
from tests.hand_drawn import CAT, DOG, PARAMS, phrase_result, phrase_truth

BIN = {"n": 3, "confidence": 0.7, "accuracy": 0.6, "low": 0.3, "high": 0.8}


@pytest.fixture(scope="module")
def found():
    rows = [
        phrase_result(phrase_truth(0), reg=DOG),
        phrase_result(phrase_truth(1, image="b"), reg=DOG),
        phrase_result(phrase_truth(2, image="c", boxes=[CAT], kinds=()), reg=DOG),
    ]
    trust = {"ece": 0.0625, "ece_by_chance": 0.03, "uncalibrated_ece": 0.375, "bins": [BIN]}
    trust |= {"brier": 0.125, "brier_constant": 0.2}
    return {**split_metrics(rows, PARAMS), "vision_gap": 0.25, "confidence": trust}


def table_of(section):
    return next(block for block in section.blocks if isinstance(block, Table))


def test_the_results_table_starts_with_the_model_and_ends_with_the_bounds(found):
    section = results("val", found)
    rows = table_of(section).rows
    assert rows[0][:4] == ["REG box: the model's answer", "66.7", "20.8 to 93.9", "66.7"]
    assert rows[-1][:2] == ["oracle, whole image added", "100.0"]
    assert len(rows) == len(found["methods"])
    assert {len(row) for row in rows} == {len(table_of(section).columns)}
    first = dict(zip(table_of(section).columns, rows[0], strict=True))
    assert (first["hits %"], first["95 % interval"]) == ("66.7", "20.8 to 93.9")


def test_differences_have_one_row_per_baseline_and_no_bound(found):
    rows = {row[0]: row[1] for row in table_of(differences("val", found)).rows}
    assert rows["whole image"].startswith("+66.7 (")
    assert not [name for name in rows if name.startswith("oracle")]
    assert table_of(differences("val", found)).columns[0] == "baseline"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("reg", "model"), ("oracle", "bound"), ("prior", "untrained"), ("random", "untrained")],
)
def test_a_bar_tells_what_its_method_is(found, name, kind):
    bar = method_bar(name, {"accuracy": 0.5, "low": 0.25, "high": 0.75})
    assert (bar.accuracy, bar.low, bar.high, bar.kind) == (0.5, 0.25, 0.75, kind)


def test_groups_show_their_counts(found):
    rows = table_of(groups("val", found)).rows
    assert ["animals", "2", "100.0", "0.0", "100.0", "100.0", "100.0", "100.0"] in [
        list(row) for row in rows
    ]
    assert {len(row) for row in rows} == {len(table_of(groups("val", found)).columns)}
    recall = groups("val", found).blocks[-1]
    assert recall.columns[1:] == ("1", "5", "10", "50", "100")
    assert list(recall.rows[0][1:]) == ["66.7", *["100.0"] * 4]


def test_the_headline_warns_unless_the_model_is_surely_better(found):
    tiles, *paragraphs = headline("val", found).blocks
    assert [tile.value for tile in tiles] == ["66.7 %", "33.3 %", "66.7 %", "100.0 %"]
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


def test_trust_in_confidence_is_told_in_points_beside_chance(found):
    blocks = confidence("val", found).blocks
    text = next(block.text for block in blocks if isinstance(block, Paragraph))
    for number in ("6.2", "3.0", "37.5", "0.125", "0.200"):
        assert number in text
    [picture] = [block for block in blocks if isinstance(block, Picture)]
    [chart] = [block for block in results("val", found).blocks if isinstance(block, Picture)]
    assert (chart.name, chart.content[:4]) == ("accuracy_val.png", b"\x89PNG")
    assert picture.name == "confidence_val.png"
    assert picture.content.startswith(b"\x89PNG")
