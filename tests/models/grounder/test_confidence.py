import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from models.given_files.safe_load import ModelFileError
from models.grounder.confidence import (
    CONFIDENCE_FEATURES,
    Calibration,
    confidence_features,
    read_calibration,
)
from tests.models.grounder.tiny_grounder import B, P, R, outputs_of, tiny_inputs

CALIBRATION = Calibration(
    dict(zip(CONFIDENCE_FEATURES, (0.7, 0.2, 0.0, 1.5, 0.3), strict=True)), -0.4, 0.5, 37
)


def features_of(probs, answers, inputs, iou=0.5):
    """Features by name, (B, P) each."""
    outputs = replace(outputs_of(probs), box_probs=probs, pred_boxes_xyxy=answers)
    features = confidence_features(outputs, inputs, iou)
    assert features.shape == (B, P, len(CONFIDENCE_FEATURES))
    assert features.isfinite().all()
    return dict(zip(CONFIDENCE_FEATURES, features.unbind(-1), strict=True))


def test_confidence_rests_on_the_best_proposal_and_on_all_that_the_answer_hits():
    inputs = tiny_inputs()
    boxes = torch.tensor([[0.0, 0, 10, 20], [0, 0, 10, 17], [30, 30, 44, 50], [0, 0, 10, 9]])
    inputs.boxes_xyxy[1] = boxes.repeat(R, 1)[:R]
    inputs.boxes_xyxy[1, 4:] = 60.0  # without area, far away
    probs = torch.zeros(B, P, R)
    probs[1, 2, :5] = torch.tensor([0.2, 0.4, 0.3, 0.05, 0.05])
    answers = torch.zeros(B, P, 4)
    answers[1, 2] = boxes[0]  # IoU 1, 0.85, 0, 0.45
    found = {name: values[1, 2].item() for name, values in
             features_of(probs, answers, inputs).items()}  # fmt: skip
    assert found["support"] == pytest.approx(math.log(0.6 / 0.4), rel=1e-4)
    assert found["best"] == pytest.approx(math.log(0.4), rel=1e-4)
    assert found["margin"] == pytest.approx(math.log(0.4 / 0.3), rel=1e-4)
    assert found["label_fit"] == pytest.approx(inputs.box_priors[1, 2, 1].item())
    assert found["detector"] == pytest.approx(math.log(inputs.box_scores[1, 1].item()), rel=1e-4)
    lenient = features_of(probs, answers, inputs, iou=0.4)["support"][1, 2].item()
    assert lenient == pytest.approx(math.log(0.65 / 0.35), rel=1e-4)
    exact = features_of(probs, answers, inputs, iou=1.0)["support"][1, 2].item()
    assert exact == pytest.approx(math.log(0.2 / 0.8), rel=1e-4)


@pytest.mark.parametrize("boxes", [0, 1])
def test_an_answer_without_proposals_to_choose_from_has_finite_features(boxes):
    inputs = tiny_inputs(boxes=boxes)
    answers, probs = torch.zeros(B, P, 4), torch.zeros(B, P, boxes)
    nothing = features_of(probs, answers, inputs)
    assert nothing["margin"].eq(0).all()
    if boxes:
        sure = features_of(probs + 1, answers, inputs)
        assert all((sure[name] > nothing[name]).all() for name in ("best", "margin"))
        hit = features_of(probs + 1, inputs.boxes_xyxy.expand(B, P, 4), inputs)["support"]
        torch.testing.assert_close(hit, torch.full((B, P), math.log(9999)), rtol=1e-3, atol=0)


def test_confidence_is_the_logistic_function_of_the_weighed_features():
    features = np.array([[2.0, -1.0, 3.0, 0.5, -4.0], [0, 0, 0, 0, 0]], np.float32)
    log_odds = 0.7 * 2 - 0.2 + 1.5 * 0.5 - 0.3 * 4 - 0.4
    expected = [1 / (1 + math.exp(-log_odds)), 1 / (1 + math.exp(0.4))]
    found = CALIBRATION.confidences(features)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert found.dtype == np.float64


def written(folder, **changes):
    path = folder / "calibration.json"
    path.write_text(json.dumps(asdict(CALIBRATION) | changes))
    return path


def test_a_written_calibration_comes_back(tmp_path):
    assert read_calibration(written(tmp_path)) == CALIBRATION
    assert read_calibration(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": {}},
        {"weights": {"best": 1.0}},
        {"weights": {**CALIBRATION.weights, "mood": 1.0}},
        {"weights": dict.fromkeys(CONFIDENCE_FEATURES)},
        {"weights": dict.fromkeys(CONFIDENCE_FEATURES, math.nan)},
        {"weights": [1.0, 2.0, 3.0, 4.0, 5.0]},
        {"intercept": math.inf},
        {"iou": "half"},
        {"iou": "0.5"},
        {"phrases": None},
        {"iou": 10**400},
    ],
)
def test_a_calibration_of_other_features_or_numbers_is_refused(tmp_path, changes):
    with pytest.raises(ModelFileError, match=r"calibration\.json"):
        read_calibration(written(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b"\0\0", b"[" * 100_000])
def test_what_is_no_calibration_is_refused(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"calibration\.json"):
        read_calibration(path)
