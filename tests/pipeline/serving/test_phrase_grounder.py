import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from models.grounder.checkpoint import load_grounder
from pipeline.errors import InputError
from pipeline.serving.found import ANSWERS
from pipeline.serving.phrase_grounder import PHRASES_AT_ONCE, PhraseGrounder, phrase_problem
from tests.served_world import (
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
def evaluated(served):
    """Return what the evaluate stage wrote of every phrase, from caches and in other batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(served)
        run_evaluate(RESULTS)
    lines = (served / RESULTS.predictions).read_text().splitlines()
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
