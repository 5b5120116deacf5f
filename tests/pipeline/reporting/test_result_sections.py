import re

import pytest

from pipeline.evaluation.aggregate import split_metrics
from pipeline.reporting.document import Paragraph, Picture, Table
from pipeline.reporting.result_sections import (
    GROUP_TITLES,
    LABELS,
    confidence,
    differences,
    groups,
    headline,
    method_bar,
    results,
)
from tests.hand_drawn import CAT, DOG, PARAMS, phrase_result, phrase_truth

DIFFERENCES = [(-0.1, -0.2, 0.1), (0.2, 0.1, 0.3), (0.5, 0.4, 0.6), (0.0, -0.05, 0.05)]
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
    assert [row[0][:5] for row in rows[:3]] == ["REG b", "model", "rando"]
    assert table_of(section).strong == {0, 1}
    assert section.title.endswith("val")


def test_each_column_of_the_results_shows_its_own_figure(found):
    figures = {"accuracy": 0.5, "low": 0.4, "high": 0.6, "of_oracle": 0.7, "any_box": 0.8}
    figures |= {"mean_iou": 0.1236, "accuracy_25": 0.9, "accuracy_75": 0.25, "pointing": 1.0}
    table = table_of(results("val", {**found, "methods": {"oracle": figures, "prior": figures}}))
    shown = ("50.0", "40.0 to 60.0", "70.0", "80.0", "0.124", "90.0", "25.0", "100.0")
    assert [row[1:] for row in table.rows] == [[*shown]] * 2
    assert table.strong == frozenset()
    assert table.columns == (
        *("method", "hits %", "95 % interval", "of oracle", "any box", "mean IoU"),
        *("at 0.25", "at 0.75", "pointing"),
    )


def test_a_difference_stands_under_its_method_with_its_interval():
    rows = [dict(zip(("difference", "low", "high"), row, strict=True)) for row in DIFFERENCES]
    reg, refined = ({"prior": one, "random": two} for one, two in (rows[:2], rows[2:]))
    table = table_of(differences("val", {"differences": {"refined": refined, "reg": reg}}))
    assert table.columns == ("baseline", "REG box", "refined")
    assert table.rows == [
        ["random proposal (expectation)", "+20.0 (+10.0 to +30.0)", "+0.0 (-5.0 to +5.0)"],
        ["prior: label fit x score", "-10.0 (-20.0 to +10.0)", "+50.0 (+40.0 to +60.0)"],
    ]


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
    table = table_of(groups("val", found))
    assert table.columns[:4] == ("hits in %", "phrases", "REG box", "proposal")
    heads = {number: row for number, row in enumerate(rows) if not row[1]}
    assert {*heads} == table.strong
    assert [head[0] for head in heads.values()][:2] == [GROUP_TITLES["kind"], GROUP_TITLES["words"]]
    recall = groups("val", found).blocks[-1]
    assert recall.columns[1:] == ("1", "5", "10", "50", "100")
    assert list(recall.rows[0][1:]) == ["66.7", *["100.0"] * 4]


def test_the_headline_warns_unless_the_model_is_surely_better(found):
    tiles, *paragraphs = headline("val", found).blocks
    assert [tile.value for tile in tiles] == ["66.7 %", "33.3 %", "66.7 %", "100.0 %"]
    assert [tile.label for tile in tiles][:2] == ["REG box", "model's best proposal"]
    assert [tile.note for tile in tiles[:2]] == ["20.8 to 93.9", "6.1 to 79.2"]
    assert "prior" in paragraphs[0].text
    assert tiles[2].note in paragraphs[1].text
    assert "66.7 %" in tiles[3].note
    assert len(paragraphs) == 3
    assert paragraphs[0].warning
    assert "may be chance" in paragraphs[0].text
    assert "0.25 nats" in paragraphs[-1].text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.125, 0.375, "is better"),
        (-0.375, -0.125, "worse"),
        (0.0, 0.5, "chance"),
        (-0.5, 0.0, "chance"),
    ],
)
def test_the_verdict_follows_the_interval(found, low, high, words):
    row = {"difference": (low + high) / 2, "low": low, "high": high, "p": 0.5}
    others = dict.fromkeys(found["differences"]["reg"], row)
    told = headline("val", {**found, "differences": {"reg": others}}).blocks[1]
    assert words in told.text
    assert told.warning == (low <= 0)
    numbers = [100 * value for value in (row["difference"], low, high)]
    assert [float(one) for one in re.findall(r"[+-][\d.]+", told.text)] == numbers


@pytest.mark.parametrize(("name", "verdicts"), [("prior", 1), ("whole_image", 2)])
def test_the_best_baseline_is_compared_beside_the_prior(found, name, verdicts):
    best = {name: found["methods"][name] | {"accuracy": 0.9}}
    tiles, *paragraphs = headline("val", {**found, "methods": found["methods"] | best}).blocks
    assert (tiles[2].value, tiles[2].note) == ("90.0 %", LABELS[name])
    assert f'"{LABELS[name]}"' in paragraphs[verdicts - 1].text
    assert len(paragraphs) == verdicts + 1


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
