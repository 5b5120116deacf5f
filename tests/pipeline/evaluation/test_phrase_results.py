import numpy as np
import pytest

from models.phrases.places import Place
from pipeline.errors import InputError
from pipeline.evaluation.baselines import BaselineInputs
from pipeline.evaluation.phrase_results import (
    annotated_phrases,
    evaluate_phrase,
    evaluation_splits,
    phrase_groups,
)
from pipeline.evaluation.place_evidence import PlaceEvidence
from pipeline.mentions import PhraseFacts
from pipeline.records import GroundTruth, PhraseRecord, write_records
from tests.hand_drawn import CAT, DOG, PARAMS, phrase_result, phrase_truth, scene


def test_the_model_and_the_baselines_are_judged_by_one_rule():
    found = phrase_result(phrase_truth(), reg=DOG)
    hits = {name: row[0] for name, row in found.scores.items()}
    assert hits == {
        "reg": 1, "proposal": 0, "whole_image": 0, "centre_70": 0, "centre_50": 0, "largest": 0,
        "top_score": 1, "prior": 1, "label_match": 1, "largest_label_match": 1, "cam_box": 0,
        "cam_proposal": 0, "number_match": 1, "number_match_or_cam": 1, "position_match": 1,
        "relation_match": 1, "random": 0.5, "oracle": 1, "oracle_whole_image": 1,
    }  # fmt: skip


def test_recall_grows_when_a_later_proposal_is_the_hit():
    assert phrase_result(phrase_truth(boxes=[CAT])).recall_at == (False, True, True, True, True)


def test_a_proposal_of_one_of_two_things_is_no_recall_of_both():
    assert phrase_result(phrase_truth(boxes=[DOG, CAT])).recall_at == (False,) * 5


def test_without_proposals_nothing_is_found_at_any_rank():
    none = np.zeros(0)
    unplaced = PlaceEvidence(none, none)
    empty = BaselineInputs((30, 50), np.zeros((0, 4)), none, none, False, unplaced, None)
    asked = phrase_truth(boxes=[[0, 0, 50, 30]])  # the image, which is no proposal
    assert evaluate_phrase(asked, empty, {}, PARAMS).recall_at == (False,) * 5


def test_groups_tell_kind_length_choice_and_map():
    asked = phrase_truth(phrase="a very small brown dog", kinds=("animals", "people", "animals"))
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
    groups = phrase_groups(phrase_truth(phrase=phrase), scene(matches=matches))
    assert (groups["words"], groups["fitting_proposals"]) == ((words,), (fitting,))


def records(*names):
    phrases = [PhraseRecord(name, "a", "val", f"the {name}") for name in names]
    return phrases, [GroundTruth(name, (tuple(DOG),)) for name in names]


def test_phrases_find_their_boxes_whatever_the_order_of_the_file():
    phrases, truths = records("one", "two", "three")
    facts = {
        phrase.phrase: PhraseFacts((), False, phrase.phrase_id == "two", Place(), "")
        for phrase in phrases
    }
    asked = annotated_phrases(phrases, truths[::-1], facts)
    assert [(one.phrase, one.truth) for one in asked] == list(zip(phrases, truths, strict=True))
    assert [one.has_direction for one in asked] == [False, True, False]


def test_a_phrase_without_a_box_is_named():
    phrases, truths = records("one", "two")
    with pytest.raises(InputError, match=r"'two'"):
        annotated_phrases(phrases, [truths[0], GroundTruth("two", ())], {})


def test_every_split_but_train_is_evaluated(tmp_path):
    names = ("val", "train", "testA", "val")
    path = tmp_path / "phrases.jsonl"
    write_records(path, [PhraseRecord(str(n), "a", split, "x") for n, split in enumerate(names)])
    assert evaluation_splits(path) == ["testA", "val"]


def test_a_dataset_with_nothing_to_evaluate_is_refused(tmp_path):
    path = tmp_path / "phrases.jsonl"
    write_records(path, [PhraseRecord("p", "a", "train", "x")])
    with pytest.raises(InputError, match=r"phrases\.jsonl"):
        evaluation_splits(path)


@pytest.mark.parametrize("first_hit", [1, 2, 5, 6, 10, 11, 50, 51, 100, 101])
def test_recall_counts_as_many_proposals_as_it_says(first_hit):
    boxes = np.tile(np.array(CAT, np.float32), (101, 1))
    boxes[first_hit - 1] = DOG
    zeros = np.zeros(101)
    place = PlaceEvidence(zeros, zeros)
    inputs = BaselineInputs((30, 50), boxes, zeros + 0.5, zeros, False, place, None)
    found = evaluate_phrase(phrase_truth(), inputs, {}, PARAMS).recall_at
    assert found == tuple(first_hit <= most for most in (1, 5, 10, 50, 100))
