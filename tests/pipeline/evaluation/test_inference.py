from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.batch import GroundingInputs
from models.grounder.checkpoint import load_grounder
from pipeline.errors import InputError
from pipeline.evaluation.answers import answers_of_batch
from pipeline.evaluation.inference import answer_batch, compute_answers, load_inference
from pipeline.params.read import read_params
from pipeline.paths import ResultFiles
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.loader import collate
from pipeline.samples.sample_spec import TextEncoding, Tokenize, read_sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.samples.vocabulary import WordVocabulary
from tests.cached_world import FILES
from tests.oracles import grounding_loops as loops
from tests.stages.evaluated_world import Listener, save_untrained

IOU = 0.05  # another than that of params.yaml


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A grounder that was never trained, and the samples of its training split."""
    monkeypatch.chdir(tmp_path)
    results = save_untrained(tmp_path)
    saved = load_grounder(results.model)
    spec = read_sample_spec(results.model)
    tokenize = Tokenize(saved.tokenizer, spec.max_tokens)
    tables = GroundingTables.from_caches(FILES, FILES.annotations / "images", ["train"])
    text = TextEncoding(tokenize, WordVocabulary(saved.words), {})
    return saved.grounder, GroundingDataset(tables, spec, text)


def batch(dataset, *indices):
    samples = [dataset[SampleIndex(image, phrases, None)] for image, phrases in indices]
    return GroundingInputs.from_batch(collate(samples), torch.device("cpu"))


def test_padding_changes_no_answer(world):
    grounder, dataset = world
    alone = answer_batch(grounder, batch(dataset, (0, (0,))), 0.5)
    padded = answer_batch(grounder, batch(dataset, (0, (0,)), (1, (3, 4, 5))), 0.5)
    for name, boxes in alone.boxes_xyxy.items():
        np.testing.assert_allclose(padded.boxes_xyxy[name][0, 0], boxes[0, 0], atol=1e-3)
    np.testing.assert_allclose(padded.scores[0, 0], alone.scores[0, 0], atol=1e-5)


def test_the_score_is_the_softmax_of_the_best_proposals_logit(world):
    grounder, dataset = world
    inputs = batch(dataset, (0, (0, 1, 2)), (2, (10, 11)))
    scores = answer_batch(grounder, inputs, 0.5).scores
    with torch.inference_mode():
        logits = grounder(inputs).box_logits.double()
    for image, phrase in ((0, 0), (0, 2), (1, 1)):
        real = logits[image, phrase][inputs.box_mask[image]]
        expected = float(1 / (real - real.max()).exp().sum())
        assert scores[image, phrase] == pytest.approx(expected, rel=1e-5)


def test_a_box_is_as_sure_as_the_proposals_that_it_hits_at_the_least_iou(world):
    grounder, dataset = world
    inputs = batch(dataset, (0, (0, 1, 2)), (3, (12, 14)))
    with torch.inference_mode():
        outputs = grounder(inputs)
    supports = []
    for least in (0.05, 0.4):
        sure = answer_batch(grounder, inputs, least).features[..., 0]
        for image, phrase in ((0, 0), (0, 2), (1, 1)):
            box = outputs.pred_boxes_xyxy[image, phrase].tolist()
            hits = [loops.iou(box, other) >= least for other in inputs.boxes_xyxy[image].tolist()]
            support = float(outputs.box_probs[image, phrase].double()[torch.tensor(hits)].sum())
            assert 1 / (1 + np.exp(-sure[image, phrase])) == pytest.approx(support, abs=1e-4)
            supports.append(support)
    assert supports[:3] != supports[3:]


@pytest.mark.parametrize("part", ["head", "decoder"])
def test_an_answer_that_is_no_number_is_an_error(world, part):
    grounder, dataset = world
    with torch.no_grad():
        next(getattr(grounder, part).parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="finite"):
        answer_batch(grounder, batch(dataset, (0, (0,))), 0.5)


def test_the_maps_of_a_phrase_are_those_of_its_first_noun_if_that_is_its_head(world):
    grounder, dataset = world
    inputs = batch(dataset, (0, (0, 2)), (3, (12, 14)))  # of the latter, one without a noun
    found = answer_batch(grounder, inputs, 0.5)
    assert found.has_map.tolist() == [[True, True], [False, True]]
    np.testing.assert_array_equal(found.maps["raw"], inputs.cams[:, :, 0])
    with torch.inference_mode():
        learned = grounder(inputs).attention_maps[:, :, 0]
    np.testing.assert_allclose(found.maps["learned"], learned, atol=1e-6)
    assert np.abs(found.maps["learned"] - found.maps["raw"]).max() > 0.01
    assert 0 < found.seconds < 60


def test_the_map_of_another_noun_is_not_the_phrase_s(world):
    grounder, dataset = world
    phrase = dataset.tables.phrases[0].phrase
    facts = dataset.tables.phrase_facts[phrase]
    contexts = tuple(replace(one, role=1) for one in facts.mentions)
    changed = {**dataset.tables.phrase_facts, phrase: replace(facts, mentions=contexts)}
    tables = replace(dataset.tables, phrase_facts=changed)
    inputs = batch(GroundingDataset(tables, dataset.spec, dataset.text), (0, (0, 2)))
    assert inputs.noun_mask[0, 0, 0]
    assert answer_batch(grounder, inputs, 0.5).has_map.tolist() == [[False, True]]


def test_without_proposals_every_score_is_0(world):
    grounder, dataset = world
    without = GroundingDataset(dataset.tables, replace(dataset.spec, windows=()), dataset.text)
    scores = answer_batch(grounder, batch(without, (2, (10, 11))), 0.5).scores
    assert scores.tolist() == [[0, 0]]


def test_every_phrase_is_answered_as_if_it_were_asked_alone(world):
    grounder, dataset = world
    runtime, listener = read_params().runtime, Listener()
    inference = load_inference(ResultFiles("shapes", "full").model, runtime)
    assert (inference.workers, inference.device) == (runtime.workers, torch.device("cpu"))
    params = replace(read_params().evaluate, iou=IOU, batch_images=3, phrases_per_image=2)
    answers, gap = compute_answers(inference, dataset.tables, params, listener)
    (said,) = (text for text in listener.messages if " ms per phrase on cpu" in text)
    assert 0.01 < float(said.split()[0]) < 10_000
    assert {*answers} == {record.phrase_id for record in dataset.tables.phrases}
    for index, numbers in dataset.tables.phrases_of_image.items():
        for number in numbers[:3]:
            alone = answer_batch(grounder, batch(dataset, (index, (number,))), params.iou)
            samples = [SampleIndex(index, (number,), None)]
            ((phrase_id, one),) = answers_of_batch(dataset.tables, samples, alone, 96)
            for name, box in one.boxes_xyxy.items():
                np.testing.assert_allclose(answers[phrase_id].boxes_xyxy[name], box, atol=2e-3)
            assert answers[phrase_id].score == pytest.approx(one.score, abs=1e-5)
            np.testing.assert_allclose(answers[phrase_id].features, one.features, atol=2e-4)
    of_image = dataset.tables.phrases_of_image
    samples = [(index, of_image[index][n : n + 2]) for index in of_image for n in (0, 2, 4, 6)]
    samples = [(index, tuple(numbers)) for index, numbers in samples if len(numbers)]
    asked = [batch(dataset, *samples[start : start + 3]) for start in (0, 3, 6)]
    found = [answer_batch(grounder, inputs, params.iou) for inputs in asked]
    words = [int((one.word_mask & one.phrase_mask[..., None]).sum()) for one in asked]
    assert [one.num_words for one in found] == words
    gaps = [one.vision_gap for one in found]
    assert gap == pytest.approx(np.average(gaps, weights=words), rel=1e-5)


def test_proposals_of_a_detector_with_other_labels_are_refused(world):
    _, dataset = world
    proposals = replace(dataset.tables.proposals, names=("dog", "cat", "cup", "sun", "sea"))
    inference = load_inference(ResultFiles("shapes", "full").model, read_params().runtime)
    learned = inference.saved.grounder.spec.num_labels
    with pytest.raises(InputError, match=rf"proposals\.h5: .* 5 labels.* {learned};"):
        compute_answers(
            inference,
            replace(dataset.tables, proposals=proposals),
            read_params().evaluate,
            Listener(),
        )


def test_a_model_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        load_inference(tmp_path, read_params().runtime)
