from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation import baselines, metrics
from pipeline.evaluation.baselines import BaselineInputs
from pipeline.evaluation.place_evidence import PlaceEvidence
from pipeline.geometry.boxes import clip_boxes

IMAGE = [0, 0, 50, 30]
PERSON, DOG, BIG_DOG, CAR = [1, 2, 11, 22], [20, 5, 26, 9], [20, 10, 45, 30], [0, 0, 48, 29]


NOWHERE = (0.0, 0.0, 0.0, 0.0)


def scene(
    matches=(0, 1, 1, 0),
    cam=None,
    boxes=(PERSON, DOG, BIG_DOG, CAR),
    is_plural=False,
    places=(NOWHERE, NOWHERE),
):
    """A picture of 50 x 30 pixels with a person, two dogs and a car, surest first."""
    return BaselineInputs(
        image_hw=(30, 50),
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([0.9, 0.8, 0.5, 0.3][: len(boxes)], np.float32),
        matches=np.array(matches[: len(boxes)], np.float32),
        is_plural=is_plural,
        place=PlaceEvidence(*(np.array(nats[: len(boxes)], np.float64) for nats in places)),
        cam=cam,
    )


def cam_of(rows):
    return np.array(rows, np.float16)


LEFT = cam_of([[-2, -2, -2, -2, -2], [4, 4, -2, -2, -2], [-2, -2, -2, -2, -2]])


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("whole_image", IMAGE),
        ("centre_70", [7.5, 4.5, 42.5, 25.5]),
        ("centre_50", [12.5, 7.5, 37.5, 22.5]),
        ("largest", CAR),
        ("top_score", PERSON),
        ("prior", DOG),
        ("label_match", DOG),
        ("largest_label_match", BIG_DOG),
        ("number_match", BIG_DOG),
        ("number_match_or_cam", BIG_DOG),
        ("position_match", BIG_DOG),
        ("relation_match", BIG_DOG),
        ("cam_box", IMAGE),
        ("cam_proposal", IMAGE),
    ],
)
def test_each_method_answers_as_drawn(name, box):
    assert baselines.methods(0.4)[name](scene()) == pytest.approx(np.array(box))


def test_methods_without_a_matching_label_fall_back_as_they_say():
    drawn = scene(matches=(0, 0, 0, 0))
    assert baselines.prior(drawn).tolist() == PERSON
    assert baselines.label_match(drawn).tolist() == IMAGE
    assert baselines.largest_label_match(drawn).tolist() == IMAGE


def test_several_things_are_in_the_box_around_all_that_surely_fit():
    dogs = [20, 5, 45, 30]
    assert baselines.number_match(scene(is_plural=True)).tolist() == dogs
    assert baselines.number_match(scene((1, 1, 1, 1), is_plural=True)).tolist() == [0, 0, 48, 30]
    assert baselines.number_match(scene((0, 0, 0, 1), is_plural=True)).tolist() == CAR
    unsure = replace(scene(is_plural=True), scores=np.array([0.9, 0.8, 0.29, 0.3], np.float32))
    assert baselines.number_match(unsure).tolist() == BIG_DOG  # 0.29 sqrt(500) > 0.8 sqrt(24)


def test_only_without_a_fitting_label_the_map_is_asked():
    asked = scene((0, 0, 0, 0), cam=LEFT)
    assert baselines.number_match(asked).tolist() == IMAGE
    by_map = baselines.cam_proposal(asked).tolist()
    assert baselines.number_match_or_cam(asked).tolist() == by_map != IMAGE
    assert baselines.number_match_or_cam(scene(cam=LEFT)).tolist() == BIG_DOG


def test_the_prior_weighs_fit_with_score_where_label_match_takes_the_best_fit():
    drawn = scene(matches=(0.0, 0.5, 0.6, 0.0))
    assert baselines.prior(drawn).tolist() == DOG
    assert baselines.label_match(drawn).tolist() == BIG_DOG
    assert baselines.prior(scene(matches=(0.1, 0.5, 0.6, 0.2))).tolist() == DOG


def test_the_order_of_proposals_says_nothing():
    scores = np.array([0.3, 0.9, 0.5, 0.8], np.float32)
    for matches in ((0, 0, 0, 0), (1, 1, 1, 1)):
        shuffled = replace(scene(matches), scores=scores)
        assert baselines.highest_score(shuffled).tolist() == DOG
        assert baselines.prior(shuffled).tolist() == DOG


@pytest.mark.parametrize("name", sorted(baselines.methods(0.4)))
def test_without_proposals_every_method_answers_within_the_image(name):
    box = baselines.methods(0.4)[name](scene(boxes=()))
    assert box.shape == (4,)
    assert clip_boxes(box, (30, 50)) == pytest.approx(box)


@pytest.mark.parametrize("name", sorted(baselines.methods(0.4)))
def test_a_map_of_zeros_is_like_no_map(name):
    method = baselines.methods(0.4)[name]
    assert method(scene(cam=np.zeros((3, 5), np.float16))).tolist() == method(scene()).tolist()


def test_the_cam_box_is_where_the_map_is_high():
    # Cells are 10 x 10 px, the range is -2 to 4. Between the centres of the second and the third
    # row (15 and 25) the map falls to 40 % of it, 0.4, 0.6 of the way: y is 15 - 6 to 15 + 6, and
    # x 0 to 15 + 6.
    assert baselines.cam_box(scene(cam=LEFT), 0.4).tolist() == [0, 9, 21, 21]


def test_a_larger_box_may_hold_a_lower_mean_of_the_map():
    flat = cam_of([[0, 0, 0, 0, 0], [4, 4, 2, 0, 0], [0, 0, 0, 0, 0]])
    core, whole = [2, 14, 6, 16], [0, 9, 28, 21]
    assert baselines.cam_proposal(scene(cam=flat, boxes=(core, whole))).tolist() == whole


def test_negative_parts_of_a_map_take_nothing_from_a_proposal():
    wide = [0, 0, 50, 29]  # holds the positive part of the map and much of the negative one
    drawn = scene(cam=LEFT, boxes=(wide, DOG))
    assert baselines.cam_proposal(drawn).tolist() == wide


def test_the_cam_prefers_the_proposal_it_fills():
    tight = [0, 9, 20, 21]
    drawn = scene(cam=LEFT, boxes=(PERSON, tight, BIG_DOG, CAR))
    assert baselines.cam_proposal(drawn).tolist() == tight
    assert baselines.cam_proposal(replace(drawn, cam=LEFT / 100)).tolist() == tight


def test_a_box_of_no_area_is_never_the_cams_choice():
    for cam in (LEFT, LEFT / 1000):
        drawn = scene(cam=cam, boxes=([5, 15, 5, 15],))
        with np.errstate(all="raise"):
            assert baselines.cam_proposal(drawn).tolist() == IMAGE


def test_a_proposal_past_the_border_is_as_large_as_its_inside():
    drawn = scene(boxes=([-500, -500, 5, 5], DOG, BIG_DOG, CAR))
    assert baselines.largest_proposal(drawn).tolist() == CAR


def test_a_one_pixel_proposal_can_be_the_answer():
    pixel = [7, 8, 8, 9]
    assert baselines.label_match(scene(boxes=(PERSON, pixel))).tolist() == pixel


def test_random_is_the_mean_over_proposals_and_the_oracle_their_best():
    drawn = scene()
    candidates = baselines.with_whole_image(drawn)
    scores = metrics.score_boxes(candidates, [BIG_DOG], (30, 50), 0.5)
    found = {name: row[0] for name, row in baselines.chance_and_bounds(scores).items()}
    assert found == {"random": 0.25, "oracle": 1.0, "oracle_whole_image": 1.0}


def test_the_whole_image_raises_the_bound_only_of_the_oracle_that_has_it():
    scores = metrics.score_boxes(
        baselines.with_whole_image(scene(boxes=(DOG,))), [IMAGE], (30, 50), 0.5
    )
    found = {name: row[0] for name, row in baselines.chance_and_bounds(scores).items()}
    assert found == {"random": 0.0, "oracle": 0.0, "oracle_whole_image": 1.0}


def test_without_proposals_random_is_the_whole_image_and_the_oracle_finds_nothing():
    scores = metrics.score_boxes(
        baselines.with_whole_image(scene(boxes=())), [IMAGE], (30, 50), 0.5
    )
    found = {name: row[0] for name, row in baselines.chance_and_bounds(scores).items()}
    assert found == {"random": 1.0, "oracle": 0.0, "oracle_whole_image": 1.0}


def test_a_fitting_proposal_that_scores_nothing_goes_before_one_that_does_not_fit():
    unsure = replace(scene(matches=(0, 0, 1, 0)), scores=np.array([0.9, 0.8, 0.0, 0.3], np.float32))
    np.testing.assert_array_equal(baselines.label_match(unsure), BIG_DOG)


def test_words_of_place_add_nats_to_the_log_of_score_times_side():
    # 0.8 sqrt(24) = 3.92 and 0.5 sqrt(500) = 11.2: a factor of 2.85, 1.05 nats
    for nats, box in ((1.0, BIG_DOG), (1.1, DOG)):
        drawn = scene(places=((9, nats, 0, 9), NOWHERE))
        assert baselines.position_match(drawn).tolist() == box
        assert baselines.relation_match(drawn).tolist() == box
        related = scene(places=(NOWHERE, (9, nats, 0, 9)))
        assert baselines.position_match(related).tolist() == BIG_DOG
        assert baselines.relation_match(related).tolist() == box
        halves = scene(places=((0, nats / 2, 0, 0), (0, nats / 2, 0, 0)))
        assert baselines.relation_match(halves).tolist() == box


def test_where_no_label_fits_words_of_place_choose_among_all_boxes():
    drawn = scene((0, 0, 0, 0), places=((0, 9, 0, 0), NOWHERE))
    assert baselines.position_match(drawn).tolist() == DOG
    assert baselines.position_match(scene((), boxes=())).tolist() == IMAGE
