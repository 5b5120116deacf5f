from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from models.grounder.confidence import CONFIDENCE_FEATURES
from pipeline.evaluation.calibration import (
    calibrate,
    first_half,
    fit_calibration,
    reliability,
)
from pipeline.evaluation.phrase_results import PhraseResult
from tests.hand_drawn import PARAMS, phrase_truth

F = len(CONFIDENCE_FEATURES)
BEST = CONFIDENCE_FEATURES.index("best")


def slow_ece(confidences, hits, num_bins):
    """Sort, cut into equally many, and add up what confidence and accuracy differ by."""
    order = sorted(range(len(hits)), key=lambda index: confidences[index])
    total = 0.0
    for bin_ in range(num_bins):
        own = [index for rank, index in enumerate(order) if rank * num_bins // len(order) == bin_]
        confidence = sum(confidences[index] for index in own) / len(own)
        accuracy = sum(float(hits[index]) for index in own) / len(own)
        total += len(own) / len(order) * abs(accuracy - confidence)
    return total


def test_the_expected_calibration_error_is_that_of_the_slow_loop():
    draw = np.random.default_rng(3)
    confidences, hits = draw.random(101), draw.random(101) < 0.4
    found = reliability(confidences, hits, 7)
    assert found["ece"] == pytest.approx(slow_ece(confidences, hits, 7), abs=1e-12)
    assert [one["n"] for one in found["bins"]] == [15, 14, 15, 14, 15, 14, 14]
    shuffled = draw.permutation(101)
    assert reliability(confidences[shuffled], hits[shuffled], 7)["ece"] == pytest.approx(
        found["ece"], abs=1e-12
    )


def test_calibration_of_two_confidences_by_hand():
    confidences = np.array([0.2] * 5 + [0.9] * 10)
    hits = np.array([True] + [False] * 4 + [True] * 7 + [False] * 3)
    found = reliability(confidences, hits, 15)  # equal ones share a bin, so there are two
    assert [(one["n"], one["accuracy"]) for one in found["bins"]] == [(5, 0.2), (10, 0.7)]
    assert [one["confidence"] for one in found["bins"]] == pytest.approx([0.2, 0.9])
    for one, own in zip(found["bins"], (binomtest(1, 5), binomtest(7, 10)), strict=True):
        interval = own.proportion_ci(0.95, method="wilson")
        assert (one["low"], one["high"]) == pytest.approx((interval.low, interval.high))
    assert found["ece"] == pytest.approx(10 / 15 * 0.2)
    assert found["brier"] == pytest.approx((0.8**2 + 4 * 0.2**2 + 7 * 0.1**2 + 3 * 0.9**2) / 15)
    assert found["brier_constant"] == pytest.approx(8 / 15 * 7 / 15)
    assert reliability(confidences, hits, 1)["ece"] == pytest.approx(10 / 15 * 0.2)


def test_errors_of_both_signs_cancel_inside_a_bin_and_not_between_bins():
    confidences, hits = np.array([0.4, 0.6]), np.array([True, False])
    assert reliability(confidences, hits, 1)["ece"] == pytest.approx(0)
    assert reliability(confidences, hits, 2)["ece"] == pytest.approx(0.6)


def test_chance_is_what_right_confidences_give_on_average():
    draw = np.random.default_rng(5)
    confidences = draw.beta(2, 3, 311)
    drawn = [reliability(confidences, draw.random(311) < confidences, 13) for _ in range(400)]
    mean = np.mean([one["ece"] for one in drawn])
    assert drawn[0]["ece_by_chance"] == pytest.approx(mean, rel=0.05)


def world(num_phrases, seed, overconfidence=1.0):
    """Draw features of which one tells the odds, and hits; three phrases an image."""
    draw = np.random.default_rng(seed)
    probs = draw.beta(3, 2, num_phrases)
    features = draw.normal(0, 1, (num_phrases, F)).astype(np.float32)
    features[:, BEST] = np.log(expit(overconfidence * logit(probs)))
    features[:, 0] = logit(probs)
    return features, draw.random(num_phrases) < probs


def results(hits, splits=("val",)):
    return [
        PhraseResult(
            replace(
                phrase_truth(index),
                phrase=replace(
                    phrase_truth(index, image=f"i{index // 3}").phrase,
                    split=splits[index % len(splits)],
                ),
            ),
            {},
            {"reg": np.array([float(hit)])},
            (),
            {},
        )
        for index, hit in enumerate(hits)
    ]


def test_the_fit_is_that_of_another_library():
    draw = np.random.default_rng(7)
    hits = draw.random(211) < 0.6
    features = draw.normal(0, 1, (211, F)) + 0.7 * hits[:, None]  # each tells something: no bound
    features = features * [1, 3, 0.2, 5, 1] + [0, 1, -4, 2, 100]
    fitted = fit_calibration(features, hits, replace(PARAMS, calibration_l2=0.7))
    standard = (features - features.mean(0)) / features.std(0)
    high, low = (hits.sum() + 1) / (hits.sum() + 2), 1 / ((~hits).sum() + 2)
    targets = np.where(hits, high, low)  # of Platt, as two weighted copies of each phrase
    other = LogisticRegression(C=1 / 0.7, tol=1e-10, max_iter=10000).fit(
        np.concatenate([standard, standard]),
        np.repeat([True, False], len(hits)),
        np.concatenate([targets, 1 - targets]),
    )
    assert (other.coef_ > 0).all()
    np.testing.assert_allclose(
        fitted.confidences(features), other.predict_proba(standard)[:, 1], atol=1e-5
    )
    assert (fitted.phrases, fitted.iou) == (211, PARAMS.iou)


def test_confidence_never_falls_with_a_feature():
    features, hits = world(307, seed=1)
    features[:, 2] = -3.0 * hits + features[:, 2]
    fitted = fit_calibration(features, hits, PARAMS)
    assert fitted.weights[CONFIDENCE_FEATURES[2]] == 0
    features[:, 2] = 0
    without = fit_calibration(features, hits, PARAMS)
    np.testing.assert_allclose(
        fitted.confidences(features), without.confidences(features), atol=1e-4
    )


def test_hits_alone_are_no_certainty_and_nothing_is_a_half():
    nothing = fit_calibration(np.zeros((0, F)), np.zeros(0, bool), PARAMS)
    assert nothing.confidences(np.ones((2, F))).tolist() == [0.5, 0.5]
    always = fit_calibration(np.ones((3, F)), np.ones(3, bool), PARAMS)
    np.testing.assert_allclose(always.confidences(np.ones((1, F))), 4 / 5, atol=1e-6)


@pytest.mark.parametrize("overconfidence", [1.0, 4.0])
def test_an_overconfident_world_is_mended_and_a_right_one_is_left_right(overconfidence):
    features, hits = world(6000, 11, overconfidence)
    params = replace(PARAMS, calibration_bins=15)
    found = calibrate(results(hits), features, params).reliabilities["val"]
    assert found["ece"] < 1.5 * found["ece_by_chance"]
    assert found["brier"] < found["brier_constant"]
    assert (found["uncalibrated_ece"] > 5 * found["ece"]) == (overconfidence > 1)


def test_no_phrase_tells_its_own_confidence():
    features, hits = world(90, seed=2)
    ours = results(hits)
    first = first_half([one.phrase_truth.phrase.image_id for one in ours], PARAMS.seed)
    before = calibrate(ours, features, PARAMS).confidences
    after = calibrate(results(hits ^ first), features, PARAMS).confidences
    np.testing.assert_allclose(after[first], before[first], atol=1e-9)
    assert np.abs(after[~first] - before[~first]).max() > 0.05


def test_each_split_is_measured_by_its_own_phrases_and_all_make_the_calibration():
    features, hits = world(90, seed=2)
    found = calibrate(results(hits, ("val", "testA")), features, PARAMS)
    assert list(found.reliabilities) == ["val", "testA"]
    own = reliability(found.confidences[1::2], hits[1::2], PARAMS.calibration_bins)
    assert own.items() <= found.reliabilities["testA"].items()
    best = np.exp(features[1::2, BEST].astype(float))
    uncalibrated = reliability(best, hits[1::2], PARAMS.calibration_bins)["ece"]
    assert found.reliabilities["testA"]["uncalibrated_ece"] == pytest.approx(uncalibrated)
    assert abs(uncalibrated - own["ece"]) > 0.01
    assert found.calibration == fit_calibration(features, hits, PARAMS)


def test_one_image_says_nothing_of_itself():
    features, hits = world(3, seed=4)
    assert calibrate(results(hits), features, PARAMS).confidences.tolist() == [0.5] * 3


def test_images_are_halved_whole_and_by_their_names_alone():
    names = [f"i{index % 7}" for index in range(40)]
    first = first_half(names, seed=0)
    halves = [{name for name, one in zip(names, first, strict=True) if one == half}
              for half in (True, False)]  # fmt: skip
    assert sorted(map(len, halves)) == [3, 4]
    assert not halves[0] & halves[1]
    assert first_half(names[::-1], seed=0).tolist() == first[::-1].tolist()
    assert any(first_half(names, seed).tolist() != first.tolist() for seed in range(1, 9))


@pytest.mark.parametrize(("num_images", "num_first"), [(4, 2), (5, 3), (6, 3)])
def test_half_of_the_images_and_all_their_phrases_are_in_the_first_half(num_images, num_first):
    image_ids = [f"i{number}" for number in range(num_images) for _ in range(3)]
    in_first = first_half(image_ids, 0).reshape(num_images, 3)
    assert in_first.sum(axis=0).tolist() == [num_first] * 3
