import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.grounder.confidence import CONFIDENCE_FEATURES, Calibration
from pipeline.errors import InputError
from pipeline.evaluation.inference import compute_answers, load_inference
from pipeline.exporting.predicted import Asked, _confidence, predict_split
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sample_spec import read_sample_spec, write_sample_spec
from tests.cached_world import FILES
from tests.stages.evaluated_world import IMAGES, run_evaluate, save_untrained
from tests.tiny_wordnet import write_tiny_wordnet


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of an evaluated model, below the working directory, which has no truth any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("evaluated"))
        results = save_untrained(Path.cwd())
        run_evaluate(results)
        FILES.ground_truth.unlink()
        yield results


def predict(results, split, answer="reg"):
    params = read_params()
    asked = Asked(FILES, results, IMAGES, split, answer)
    return predict_split(asked, params.evaluate, params.runtime, Observer("export"))


@pytest.mark.parametrize("answer", ["reg", "proposal", "refined"])
def test_boxes_are_those_that_evaluate_wrote(results, answer):
    rows = [json.loads(line) for line in results.predictions.read_text().splitlines()]
    boxes = {one.phrase.phrase_id: one for one in predict(results, "test", answer)}
    assert list(boxes) == [row["phrase_id"] for row in rows]
    for row in rows:
        box = boxes[row["phrase_id"]]
        assert box.box_xyxy == pytest.approx(row["boxes_xyxy"][answer], abs=0.006)
        assert box.image.image_id == row["image_id"]


def test_the_training_split_is_answered_without_any_ground_truth(results):
    boxes = predict(results, "train")
    assert {one.image.image_id for one in boxes} == {"a", "b", "c", "d"}
    assert len(boxes) == 15
    for one in boxes:
        x1, y1, x2, y2 = one.box_xyxy
        height, width = one.image.image_hw
        assert 0 <= x1 <= x2 <= width
        assert 0 <= y1 <= y2 <= height
        assert 0 < one.score <= 1  # the whole image is proposed everywhere


CALIBRATION = Calibration(
    dict(zip(CONFIDENCE_FEATURES, (0.3, 0.2, 0.5, 0.7, 0.1), strict=True)), 0.4, 0.0, 23
)


@pytest.fixture
def calibrated(results):
    """Results whose calibration was made by hand, with a least IoU that every box has."""
    content = results.calibration.read_text()
    results.calibration.write_text(json.dumps(asdict(CALIBRATION)))
    yield results
    results.calibration.write_text(content)


def test_the_confidence_is_what_the_calibration_makes_of_the_features(calibrated):
    params = read_params()
    tables = GroundingTables.from_caches(FILES, IMAGES, ("train",))
    inference = load_inference(calibrated.model, params.runtime)
    compared = tables.with_labels_compared(inference.spec.labels, FILES.weights)
    evaluate = replace(params.evaluate, iou=CALIBRATION.iou)
    answers = compute_answers(inference, compared, evaluate, Observer("evaluate"))[0]
    found = predict(calibrated, "train")
    for one in found:
        [expected] = CALIBRATION.confidences(answers[one.phrase.phrase_id].features[None])
        assert one.confidence == pytest.approx(expected, abs=6e-4)
    assert len({one.confidence for one in found}) > 3
    assert _confidence(SimpleNamespace(score=0, features=expected), CALIBRATION) is None
    assert {one.confidence for one in predict(calibrated, "train", "refined")} == {None}


def test_without_calibration_there_is_no_confidence_and_a_broken_one_is_named(calibrated):
    calibrated.calibration.write_text("{")
    with pytest.raises(InputError, match=r"calibration\.json.*dvc repro evaluate"):
        predict(calibrated, "test")
    calibrated.calibration.unlink()
    assert {one.confidence for one in predict(calibrated, "test")} == {None}


def test_labels_are_compared_as_the_model_learned_them(results):
    spec = read_sample_spec(results.model)
    write_sample_spec(results.model, replace(spec, labels=replace(spec.labels, similarity="text")))
    with pytest.raises(InputError, match="language"):  # the encoder is not there
        predict(results, "test")
    write_tiny_wordnet(FILES.weights / "wordnet")
    labels = replace(spec.labels, similarity="wordnet")
    write_sample_spec(results.model, replace(spec, labels=labels))
    assert len(predict(results, "test")) == 2
    write_sample_spec(results.model, spec)


def test_a_split_that_is_not_there_is_named(results):
    with pytest.raises(InputError, match="nowhere"):
        predict(results, "nowhere")
