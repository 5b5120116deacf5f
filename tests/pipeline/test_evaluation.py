import numpy as np
import pytest

from pipeline.baselines import Scene
from pipeline.evaluation import (
    Question,
    judge_phrase,
    phrase_groups,
    prediction_row,
    rounded,
    split_metrics,
)
from pipeline.records import GroundTruth, PhraseRecord
from pipeline.sections import EvaluateParams

PARAMS = EvaluateParams(
    batch_images=2, iou=0.5, cam_threshold=0.4, resamples=50, attention_phrases=2, seed=0
)
DOG, CAT = [2.0, 3, 22, 23], [25.0, 5, 45, 28]
WRONG = [0.0, 0, 3, 2]


def scene(matches=(1, 0)):
    return Scene(
        image_hw=(30, 50),
        boxes_xyxy=np.array([DOG, CAT], np.float32),
        scores=np.array([0.9, 0.4], np.float32),
        matches=np.array(matches, np.float32),
        cam=None,
    )


def question(number=0, phrase="the dog", image="a", boxes=(DOG,), kinds=("animals",)):
    name = f"p{number}"
    record = PhraseRecord(name, image, "val", phrase)
    return Question(record, GroundTruth(name, tuple(map(tuple, boxes)), kinds), False)


def judged(asked, reg=WRONG, **kwargs):
    predicted = {"reg": np.array(reg), "proposal": np.array(CAT)}
    return judge_phrase(asked, scene(**kwargs), predicted, PARAMS)


def test_the_model_and_the_baselines_are_judged_by_one_rule():
    found = judged(question(), reg=DOG)
    hits = {name: row[0] for name, row in found.scores.items()}
    assert hits == {
        "reg": 1, "proposal": 0, "whole_image": 0, "centre_70": 0, "centre_50": 0, "largest": 0,
        "top_score": 1, "prior": 1, "label_match": 1, "largest_label_match": 1, "cam_box": 0,
        "cam_proposal": 0, "random": 0.5, "oracle": 1, "oracle_whole_image": 1,
    }  # fmt: skip


def test_recall_grows_when_a_later_proposal_is_the_hit():
    assert judged(question(boxes=[CAT])).found_at == (False, True, True, True)


def test_without_proposals_nothing_is_found_at_any_rank():
    empty = Scene((30, 50), np.zeros((0, 4)), np.zeros(0), np.zeros(0), None)
    assert judge_phrase(question(), empty, {}, PARAMS).found_at == (False,) * 4


def test_groups_tell_kind_length_choice_and_map():
    asked = question(phrase="a very small brown dog", kinds=("animals", "people", "animals"))
    assert phrase_groups(asked, scene(matches=(1, 1))) == {
        "kind": ("animals", "people"),
        "words": ("5+",),
        "fitting_proposals": ("2+",),
        "cam": ("without",),
        "direction": ("without",),
    }


@pytest.mark.parametrize(
    ("phrase", "matches", "words", "fitting"),
    [
        ("dog", (0, 0), "1-2", "0"),
        ("the dog", (0, 1), "1-2", "1"),
        ("the big dog", (1, 1), "3-4", "2+"),
        ("a big brown dog", (0.5, 1), "3-4", "1"),
    ],
)
def test_the_buckets_meet_without_a_gap(phrase, matches, words, fitting):
    groups = phrase_groups(question(phrase=phrase), scene(matches=matches))
    assert (groups["words"], groups["fitting_proposals"]) == ((words,), (fitting,))


def test_a_split_is_put_into_numbers_by_hand():
    rows = [
        judged(question(0), reg=DOG),
        judged(question(1, image="b"), reg=DOG),
        judged(question(2, image="b", boxes=[CAT], kinds=()), reg=DOG),
    ]
    found = split_metrics(rows, PARAMS)
    assert (found["phrases"], found["images"]) == (3, 2)
    assert found["methods"]["reg"]["accuracy"] == 0.666667
    assert found["methods"]["proposal"]["accuracy"] == 0.333333
    assert found["methods"]["proposal"]["of_oracle"] == 0.333333
    assert found["proposal_recall"] == {"1": 0.666667, "5": 1.0, "10": 1.0, "50": 1.0}
    assert found["groups"]["kind"]["animals"]["reg"]["n"] == 2
    assert found["groups"]["kind"]["animals"]["reg"]["accuracy"] == 1.0
    assert found["differences"]["reg"]["whole_image"]["difference"] == 0.666667
    assert set(found["differences"]) == {"reg", "proposal"}
    assert "oracle" not in found["differences"]["reg"]


def test_the_order_of_phrases_changes_no_number():
    rows = [judged(question(n, image=f"i{n % 3}", boxes=[[DOG, CAT][n % 2]])) for n in range(7)]
    assert split_metrics(rows, PARAMS) == split_metrics(rows[::-1], PARAMS)


def test_a_prediction_row_keeps_the_phrase_as_it_is_and_every_box():
    row = prediction_row(judged(question(phrase="<b>ein Hündchen</b> 🐕"), reg=[1 / 3, 0, 9, 9]))
    assert row["phrase"] == "<b>ein Hündchen</b> 🐕"
    assert row["gt_boxes_xyxy"] == [DOG]
    assert row["boxes_xyxy"]["reg"] == [0.33, 0.0, 9.0, 9.0]
    assert row["iou"]["top_score"] == 1.0
    assert "random" not in row["boxes_xyxy"]


def test_rounding_reaches_into_nested_values_and_leaves_counts():
    assert rounded({"a": [1 / 3, {"b": (2 / 3,)}], "n": 7, "t": "x"}, 2) == {
        "a": [0.33, {"b": [0.67]}],
        "n": 7,
        "t": "x",
    }
