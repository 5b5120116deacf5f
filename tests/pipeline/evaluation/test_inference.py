import numpy as np
import pytest
import torch

from models.grounder.batch import GroundingInputs
from models.grounder.checkpoint import load_grounder
from pipeline.errors import InputError
from pipeline.evaluation.inference import answer_batch
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.loader import collate
from pipeline.samples.sample_spec import TextEncoding, Tokenize, read_sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.samples.vocabulary import WordVocabulary
from tests.cached_world import FILES
from tests.stages.evaluated_world import save_untrained


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


def test_an_answer_that_is_no_number_is_an_error(world):
    grounder, dataset = world
    with torch.no_grad():
        next(grounder.head.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="finite"):
        answer_batch(grounder, batch(dataset, (0, (0,))), 0.5)
