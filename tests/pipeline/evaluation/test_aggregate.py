import numpy as np
import pytest

from pipeline.evaluation.aggregate import (
    choose_phrases,
    prediction_row,
    rounded,
    split_metrics,
    summarise_split,
    table_rows,
    weighted_mean,
)
from pipeline.evaluation.answers import Answer
from tests.hand_drawn import CAT, DOG, PARAMS, phrase_result, phrase_truth

FEATURES = np.zeros(5, np.float32)


def test_a_split_is_put_into_numbers_by_hand():
    rows = [
        phrase_result(phrase_truth(0), reg=DOG),
        phrase_result(phrase_truth(1, image="b"), reg=DOG),
        phrase_result(phrase_truth(2, image="b", boxes=[CAT], kinds=()), reg=DOG),
    ]
    found = split_metrics(rows, PARAMS)
    assert (found["phrases"], found["images"]) == (3, 2)
    assert [*found["methods"]] == sorted(found["methods"])
    assert found["methods"]["reg"]["accuracy"] == 0.666667
    assert found["methods"]["proposal"]["accuracy"] == 0.333333
    assert found["methods"]["proposal"]["of_oracle"] == 0.333333
    assert found["proposal_recall"] == {
        "1": 0.666667,
        "5": 1.0,
        "10": 1.0,
        "50": 1.0,
        "100": 1.0,
    }
    assert found["groups"]["kind"]["animals"]["reg"]["n"] == 2
    assert found["groups"]["kind"]["animals"]["reg"]["accuracy"] == 1.0
    assert found["differences"]["reg"]["whole_image"]["difference"] == 0.666667
    assert set(found["differences"]) == {"reg", "proposal"}
    assert "oracle" not in found["differences"]["reg"]


def test_groups_and_differences_are_of_hits_with_the_box_around_all_annotated_boxes():
    far = [60.0, 30.0, 64.0, 33.0]
    row = phrase_result(phrase_truth(0, boxes=[DOG, far]), reg=DOG)
    found = split_metrics([row], PARAMS)
    assert (found["methods"]["reg"]["any_box"], found["methods"]["reg"]["accuracy"]) == (1, 0)
    assert found["groups"]["kind"]["animals"]["reg"]["accuracy"] == 0
    nothing = found["methods"]["whole_image"]["accuracy"]
    assert found["differences"]["reg"]["whole_image"]["difference"] == -nothing


def test_the_few_numbers_of_a_split_are_those_of_the_whole_record():
    methods = {
        "reg": {"accuracy": 0.6, "low": 0.5, "high": 0.68123},
        "proposal": {"accuracy": 0.625},
        "refined": {"accuracy": 0.9},
        "prior": {"accuracy": 0.41},
        "largest": {"accuracy": 0.43127},
        "oracle": {"accuracy": 0.95},
        "oracle_whole_image": {"accuracy": 0.975},
    }
    confidence = {"ece": 0.04567, "brier": 0.21234, "bins": []}
    assert summarise_split({"methods": methods, "phrases": 31, "confidence": confidence}) == {
        "box": 60.0,
        "proposal": 62.5,
        "baseline": 43.13,
        "oracle": 97.5,
        "half": 9.06,
        "ece": 0.0457,
        "n": 31,
    }


def test_the_share_of_the_oracle_is_of_the_hits_it_can_reach():
    nowhere = [[48.0, 28, 50, 30]]
    rows = [
        phrase_result(phrase_truth(0), reg=DOG),
        phrase_result(phrase_truth(1, boxes=nowhere), reg=DOG),
    ]
    methods = split_metrics(rows, PARAMS)["methods"]
    assert methods["reg"]["accuracy"] == 0.5
    assert methods["reg"]["of_oracle"] == 1.0
    assert split_metrics(rows[1:], PARAMS)["methods"]["reg"]["of_oracle"] == 0.0


def test_the_interval_of_a_difference_lies_on_its_side_of_zero():
    rows = [phrase_result(phrase_truth(number, image=f"i{number}"), reg=DOG) for number in range(9)]
    row = split_metrics(rows, PARAMS)["differences"]["reg"]["whole_image"]
    assert (row["difference"], row["low"], row["high"]) == (1.0, 1.0, 1.0)


def test_the_order_of_phrases_changes_no_number():
    rows = [
        phrase_result(phrase_truth(n, image=f"i{n % 3}", boxes=[[DOG, CAT][n % 2]]))
        for n in range(7)
    ]
    assert split_metrics(rows, PARAMS) == split_metrics(rows[::-1], PARAMS)


def test_a_prediction_row_keeps_the_phrase_as_it_is_and_every_box():
    asked = phrase_result(phrase_truth(0, "<b>ein Hündchen</b> 🐕"), reg=[1 / 3, 0, 9, 9])
    row = prediction_row(asked, {}, frozenset())
    exact = [1 / 3, 2 / 3, 9.006, 7.0]
    other = prediction_row(phrase_result(phrase_truth(boxes=[exact])), {}, frozenset())
    assert other["gt_boxes_xyxy"] == [[0.33, 0.67, 9.01, 7.0]]
    area, wrong = (9.006 - 1 / 3) * (7 - 2 / 3), 3 * 2  # WRONG lies at the left top corner
    inside = (3 - 1 / 3) * (2 - 2 / 3)
    assert other["iou"]["reg"] == round(inside / (area + wrong - inside), 4)
    told = {key: row[key] for key in ("phrase_id", "image_id", "split", "groups")}
    assert told == {
        "phrase_id": "p0",
        "image_id": "a",
        "split": "val",
        "groups": {
            "kind": ["animals"],
            "words": ["3-4"],
            "fitting_proposals": ["1"],
            "cam": ["without"],
            "direction": ["without"],
        },
    }
    assert row["phrase"] == "<b>ein Hündchen</b> 🐕"
    assert row["gt_boxes_xyxy"] == [DOG]
    assert row["boxes_xyxy"]["reg"] == [0.33, 0.0, 9.0, 9.0]
    assert row["iou"]["top_score"] == 1.0
    assert "random" not in row["boxes_xyxy"]
    assert "attention" not in row


def test_rounding_reaches_into_nested_values_and_leaves_counts():
    assert rounded({"a": [1 / 3, {"b": (2 / 3,)}], "n": 7, "t": "x"}, 2) == {
        "a": [0.33, {"b": [0.67]}],
        "n": 7,
        "t": "x",
    }


def test_maps_are_kept_of_the_chosen_phrases_alone():
    answers = {"p0": Answer({}, 0.5, {"raw": np.array([[0.12345, 1.0]], np.float32)}, FEATURES)}
    row = prediction_row(phrase_result(phrase_truth(0)), answers, frozenset({"p0"}))
    assert row["attention"] == {"raw": [[0.123, 1.0]]}


def test_a_chosen_phrase_whose_noun_has_no_map_says_so():
    row = prediction_row(
        phrase_result(phrase_truth(0)), {"p0": Answer({}, 0.5, {}, FEATURES)}, frozenset({"p0"})
    )
    assert row["attention"] == {}


def test_the_choice_of_phrases_depends_on_the_seed_and_not_on_their_order():
    rows = [phrase_result(phrase_truth(number)) for number in range(40)]
    first = choose_phrases(rows, 5, seed=0)
    assert len(first) == 5
    assert first == choose_phrases(rows[::-1], 5, seed=0) != choose_phrases(rows, 5, seed=1)
    assert len(choose_phrases(rows, 500, seed=0)) == 40


def test_the_console_table_shows_the_best_method_first():
    rows = table_rows(split_metrics([phrase_result(phrase_truth(), reg=DOG)], PARAMS))
    assert rows[0]["hits"] == "100.0"
    assert rows[-1]["hits"] == "0.0"
    assert {row["method"] for row in rows} >= {"reg", "random", "oracle"}
    figures = {"low": 0.25, "high": 0.625, "any_box": 0.75, "mean_iou": 0.1234}
    methods = {"one": figures | {"accuracy": 0.5}, "two": figures | {"accuracy": 0.6}}
    shown = {"95 %": "25.0 to 62.5", "any box": "75.0", "mean IoU": "0.123"}
    assert table_rows({"methods": methods}) == [
        {"method": "two", "hits": "60.0"} | shown,
        {"method": "one", "hits": "50.0"} | shown,
    ]


def test_a_weighted_mean_of_no_weight_is_zero():
    assert weighted_mean([(3.0, 1), (6.0, 2)]) == pytest.approx(5.0)
    assert weighted_mean([(3.0, 0)]) == 0.0
