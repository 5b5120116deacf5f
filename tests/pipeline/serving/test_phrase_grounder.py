import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from models.grounder.checkpoint import load_grounder
from pipeline.errors import InputError
from pipeline.evaluation.inference import compute_answers, load_inference
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params
from pipeline.records import PhraseRecord
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.serving.found import ANSWERS
from pipeline.serving.phrase_grounder import PHRASES_AT_ONCE, PhraseGrounder, phrase_problem
from tests.served_world import (
    CALIBRATION,
    FILES,
    HW,
    IMAGES,
    PHRASES,
    REG_RESULTS,
    RESULTS,
    TEST_IMAGES,
    detected,
)
from tests.stages.evaluated_world import run_evaluate

EVALUATED_PX = 0.011  # predictions.jsonl is rounded to 1/100


@pytest.fixture(autouse=True)
def _here(served, monkeypatch):
    monkeypatch.chdir(served)


@pytest.fixture(scope="module")
def model(served):
    return PhraseGrounder.load(served / RESULTS.folder)


@pytest.fixture(scope="module")
def evaluated(served, tmp_path_factory):
    """Return what the evaluate stage wrote of every phrase, from caches and in other batches."""
    folder = tmp_path_factory.mktemp("evaluated") / "copy"
    shutil.copytree(served, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_evaluate(RESULTS)
    lines = (folder / RESULTS.predictions).read_text().splitlines()
    return {(row["image_id"], row["phrase"]): row for row in map(json.loads, lines)}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_picture_gets_the_boxes_that_evaluation_gives_it(model, evaluated, answer):
    assert len(evaluated) == len(TEST_IMAGES) * len(PHRASES)
    for (image_id, phrase), row in evaluated.items():
        [found] = model.ground(IMAGES / f"{image_id}.png", phrase, answer)
        np.testing.assert_allclose(found.box_xyxy, row["boxes_xyxy"][answer], atol=EVALUATED_PX)


def test_the_heat_map_is_the_one_that_evaluation_keeps(model, evaluated):
    kept = {key: row["attention"] for key, row in evaluated.items() if row.get("attention")}
    assert kept
    for (image_id, phrase), maps in kept.items():
        [found] = model.ground(IMAGES / f"{image_id}.png", phrase)
        np.testing.assert_allclose(found.map_cells, maps["learned"], atol=6e-4)
        assert found.heat_map.shape == HW[image_id]


def test_phrases_asked_together_get_what_each_gets_alone_in_their_order(model):
    asked = [PHRASES[3], PHRASES[0], PHRASES[3], PHRASES[2]]
    together = model.ground(IMAGES / "c.png", asked)
    assert [one.phrase for one in together] == asked
    for one in together:
        [alone] = model.ground(IMAGES / "c.png", [one.phrase])
        np.testing.assert_allclose(one.box_xyxy, alone.box_xyxy, atol=1e-3)
        assert one.score == pytest.approx(alone.score, abs=1e-5)
        assert one.nouns == alone.nouns


def test_more_phrases_than_fit_a_pass_are_all_answered(model):
    asked = [f"the dog {number}" for number in range(PHRASES_AT_ONCE + 3)]
    assert [one.phrase for one in model.ground(IMAGES / "d.png", asked)] == asked


def test_the_candidates_are_the_detectors_boxes_and_say_why(model):
    boxes = detected("e")
    [found] = model.ground(IMAGES / "e.png", "the red dog", "proposal")
    single = [one for one in found.candidates if one.label and not one.is_merged]
    assert len(single) == len(boxes.scores) > 0
    expected = dict(zip(boxes.scores.tolist(), boxes.boxes_xyxy, strict=True))
    for one in single:
        np.testing.assert_allclose(one.box_xyxy, expected[one.detector_score], atol=1e-3)
    for one in found.candidates:
        assert one.logit == pytest.approx(one.prior + one.cam + one.learned, abs=1e-5)
    assert len({one.learned for one in found.candidates}) > 1
    assert found.box_xyxy == pytest.approx(found.candidates[0].box_xyxy)


def test_each_part_of_a_score_is_what_it_is_called(served, model):
    [nounless] = model.ground(IMAGES / "e.png", "left one !")
    assert {one.cam for one in nounless.candidates} == {0}
    bare = PhraseGrounder.load(served / RESULTS.folder)
    bare.saved.grounder.scorer.bound = 0
    [unlearned] = bare.ground(IMAGES / "e.png", "the red dog")
    assert {one.learned for one in unlearned.candidates} == {0}
    assert len({one.cam for one in unlearned.candidates}) > 1
    priors = {
        label: [one.prior for one in unlearned.candidates if one.label == label]
        for label in ("dog", "cup")
    }
    assert min(priors["dog"]) > max(priors["cup"])


def test_probabilities_are_the_softmax_of_the_logits_the_best_first(model):
    [found] = model.ground(IMAGES / "e.png", "the dog on the cup")
    logits = np.array([one.logit for one in found.candidates])
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose([one.probability for one in found.candidates], shares, atol=1e-6)
    assert (np.diff(logits) <= 0).all()
    assert found.score == found.candidates[0].probability


def test_the_nouns_are_those_of_the_phrase_head_first(model):
    found = model.ground(IMAGES / "c.png", ["the dog on the cup", "left one !"])
    assert found[0].nouns == ("dog", "cup")
    assert found[0].map_cells is not None
    assert (found[1].nouns, found[1].map_cells) == ((), None)
    assert [one.image_hw for one in found] == [HW["c"]] * 2


def test_an_array_and_its_file_get_the_same_answer(model):
    pixels = np.asarray(Image.open(IMAGES / "b.png"))
    by_file, by_array = (model.ground(one, "the star")[0] for one in (IMAGES / "b.png", pixels))
    assert by_file.box_xyxy == by_array.box_xyxy


@pytest.mark.parametrize(
    ("picture", "phrase", "named"),
    [
        ("none.png", "the dog", "none.png"),
        (np.zeros((5, 7), np.uint8), "the dog", r"\(5, 7\)"),
        (np.zeros((5, 7, 3), np.float32), "the dog", "float32"),
        (np.zeros((5, 7, 4), np.uint8), "the dog", r"\(5, 7, 4\)"),
        (np.zeros((0, 7, 3), np.uint8), "the dog", r"\(0, 7, 3\)"),
        (IMAGES / "c.png", ["the dog", 3], "3 is no text"),
        (IMAGES / "c.png", " ", "empty"),
        (IMAGES / "c.png", "\ud800", "half of a character"),
    ],
)
def test_what_cannot_be_asked_is_one_error(model, picture, phrase, named):
    with pytest.raises(InputError, match=named):
        model.ground(picture, phrase)


def test_an_answer_that_no_model_gives_is_named(model):
    with pytest.raises(InputError, match="'best'"):
        model.ground(IMAGES / "c.png", "the dog", "best")


def test_a_text_is_the_only_kind_of_phrase():
    assert phrase_problem("the dog") is None
    assert "no text" in phrase_problem(3)


@pytest.fixture
def without_detector(served, tmp_path):
    """A copy of the project whose detector is missing."""
    shutil.copytree(served, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / FILES.weights / "detector")
    return tmp_path / "copy"


def test_a_box_from_the_reg_token_needs_no_detector_and_is_the_same(served, without_detector):
    rich = PhraseGrounder.load(served / REG_RESULTS.folder)
    poor = PhraseGrounder.load(without_detector / REG_RESULTS.folder)
    [found] = poor.ground(IMAGES / "e.png", "the red dog")
    assert found.box_xyxy == rich.ground(IMAGES / "e.png", "the red dog")[0].box_xyxy
    assert (found.score, found.candidates) == (None, ())
    with pytest.raises(InputError, match="detector"):
        poor.ground(IMAGES / "e.png", "the red dog", "proposal")


@pytest.mark.parametrize(
    ("part", "results"),
    [("tagger", REG_RESULTS), ("classifier", REG_RESULTS), ("detector", RESULTS)],
)
def test_a_part_that_is_missing_is_named_with_a_remedy(without_detector, part, results):
    shutil.rmtree(without_detector / FILES.weights / part, ignore_errors=True)
    with pytest.raises(InputError, match=rf"{part}.*dvc repro"):
        PhraseGrounder.load(without_detector / results.folder)


def test_the_device_that_is_asked_for_counts(served, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="cuda"):
        PhraseGrounder.load(served / RESULTS.folder, "cuda")


def test_a_box_that_is_not_finite_is_one_error(served):
    bad = PhraseGrounder.load(served / RESULTS.folder)
    bad.saved.grounder.phrase_embedding.bias.data[0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        bad.ground(IMAGES / "c.png", "the dog")


def test_a_model_without_its_tokenizer_is_named(served, tmp_path):
    shutil.copytree(served / "results", tmp_path / "results")
    shutil.copy(served / "params.yaml", tmp_path)
    (tmp_path / RESULTS.model / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match="tokenizer"):
        PhraseGrounder.load(tmp_path / RESULTS.folder)
    assert load_grounder(served / RESULTS.model)


def answers_of_records(records):
    """Return what evaluation says of phrases of test images, from the caches, by phrase id."""
    params = read_params()
    tables = GroundingTables.from_caches(FILES, IMAGES, ("test",))
    inference = load_inference(RESULTS.model, params.runtime)
    compared = replace(tables, phrases=records).with_labels_compared(
        inference.spec.labels, FILES.weights
    )
    evaluate = replace(params.evaluate, iou=CALIBRATION.iou)
    return compute_answers(inference, compared, evaluate, Observer("evaluate"))[0]


def assert_same(found, answer):
    np.testing.assert_allclose(found.box_xyxy, answer.boxes_xyxy["reg"], atol=EVALUATED_PX)
    assert found.score == pytest.approx(answer.score, abs=1e-4)
    [confidence] = CALIBRATION.confidences(answer.features[None])
    assert found.confidence == pytest.approx(confidence, abs=1e-4)


def test_the_confidence_is_the_one_that_evaluation_would_give(model):
    records = [
        PhraseRecord(f"{key}/{phrase}", key, "test", phrase)
        for key in TEST_IMAGES
        for phrase in PHRASES
    ]
    answers = answers_of_records(records)
    confidences = set()
    for key in TEST_IMAGES:
        for found in model.ground(IMAGES / f"{key}.png", PHRASES):
            assert_same(found, answers[f"{key}/{found.phrase}"])
            confidences.add(round(found.confidence, 3))
    assert len(confidences) > len(records) / 2


@pytest.mark.parametrize("answer", ["proposal", "refined"])
def test_another_answer_than_the_calibrated_one_has_no_confidence(model, answer):
    [found] = model.ground(IMAGES / "e.png", "the red dog", answer)
    assert found.confidence is None
    assert found.score is not None


def test_without_calibration_or_without_proposals_there_is_no_confidence(served, model):
    unevaluated = PhraseGrounder.load(served / REG_RESULTS.folder)
    [found] = unevaluated.ground(IMAGES / "e.png", "the red dog")
    assert found.candidates
    assert found.confidence is None
    blind = replace(model, frozen=replace(model.frozen, detector=None))
    assert blind.ground(IMAGES / "e.png", "the red dog")[0].confidence is None


def test_a_calibration_that_is_none_is_one_error_with_a_remedy(served, tmp_path):
    shutil.copytree(served / "results", tmp_path / "results")
    shutil.copy(served / "params.yaml", tmp_path)
    (tmp_path / RESULTS.calibration).write_text("{")
    with pytest.raises(InputError, match=r"calibration\.json.*dvc repro"):
        PhraseGrounder.load(tmp_path / RESULTS.folder)


SENTENCE = "The red dog beside the dog  on the cup, the blue cups and the red dog."
PLACES = {  # phrases of the nouns cache in order, and where each stands
    "the red dog": (0, 11),
    "the dog on the cup": (19, 38),
    "left one !": None,
    "the blue cups": (40, 53),
    "the star": None,
}


def records_of(places):
    return [
        PhraseRecord(str(number), "e", "test", phrase, SENTENCE if span else None, span)
        for number, (phrase, span) in enumerate(places)
    ]


def test_phrases_of_a_sentence_get_what_their_records_get(model):
    answers = answers_of_records(records_of(PLACES.items()))
    found = model.ground(IMAGES / "e.png", list(PLACES), sentence=SENTENCE)
    for one, answer in zip(found, answers.values(), strict=True):
        assert_same(one, answer)
    alone = model.ground(IMAGES / "e.png", list(PLACES))
    changed = [priors_of(one) != priors_of(other) for one, other in zip(found, alone, strict=True)]
    assert changed == [False, True, False, True, False]


def priors_of(found):
    return sorted((one.box_xyxy, round(one.prior, 4)) for one in found.candidates)


def test_a_phrase_that_a_sentence_says_twice_means_two_things(model):
    spans = [(0, 11), (58, 69)]
    answers = answers_of_records(records_of(("the red dog", span) for span in spans))
    found = model.ground(IMAGES / "e.png", ["the red dog"] * 2, sentence=SENTENCE)
    for one, answer in zip(found, answers.values(), strict=True):
        assert_same(one, answer)
    assert priors_of(found[0]) != priors_of(found[1])
    assert model.ground(IMAGES / "e.png", ["the red dog"] * 2)[0].box_xyxy == found[0].box_xyxy


def test_a_sentence_is_a_text(model):
    with pytest.raises(InputError, match="sentence 3"):
        model.ground(IMAGES / "c.png", "the dog", sentence=3)
