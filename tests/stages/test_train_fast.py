"""The ways to train faster, beside the plain way."""

from dataclasses import fields, replace

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from models.classifier.classifier import load_classifier
from models.classifier.noun_head import load_noun_head
from models.grad_cam.classifier_scorer import NounHeadScorer
from models.training.training_step import TrainingStep
from pipeline.errors import InputError
from pipeline.params.read import read_params, train_params
from stages.train import speed_up
from tests.cached_world import FILES, write_world
from tests.models.grounder.tiny_grounder import WEIGHTS, tiny_grounder, tiny_inputs, tiny_scorer
from tests.stages.test_train import StopsAfter, edit_params, made, rows, train
from tests.tiny_bert import write_tiny_bert

STILL = {"flip": 0.5, "jitter": 0.0, "crop": 0.0, "scales": 1, "translate": False}
EXACT_LOSS = 1e-4


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def turn_on(here, name):
    edit_params(here, f"  {name}: false", f"  {name}: true")


def assert_losses_of(here, name, plain):
    turn_on(here, name)
    fast = rows(train())
    assert len(fast) == len(plain)
    for one, other in zip(fast, plain, strict=True):
        assert one == pytest.approx(other, rel=EXACT_LOSS, abs=EXACT_LOSS)


def test_a_training_that_remembers_and_is_interrupted_ends_at_the_bytes_of_a_plain_one(here):
    write_world(here, learning_rate_pretrained=0, epochs=2, batch_images=2, augment=STILL)
    write_tiny_bert(FILES.weights / "language")
    plain = made(train())
    turn_on(here, "remember")
    with pytest.raises(KeyboardInterrupt):
        train(observer=StopsAfter(1))
    assert made(train()) == plain


def test_the_switches_reach_the_backbone_the_scorer_and_the_visual_encoder(here, monkeypatch):
    write_world(here)
    switches = {"channels_last": True, "fold_batch_norms": True, "compile": True}
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    params = replace(train_params(read_params(), "full"), **switches)
    classifier = load_classifier(FILES.weights / "classifier")
    grounder, scorer = (
        tiny_grounder(),
        NounHeadScorer(classifier, load_noun_head(FILES.noun_head)),
    )
    speed_up(grounder, scorer, params)
    encoder = grounder.visual_encoder
    assert compiled == [encoder]
    for network in (encoder.backbone.extract.network, scorer.network):
        kinds = nn.BatchNorm2d | FrozenBatchNorm2d
        norms = [module for module in network.modules() if isinstance(module, kinds)]
        assert norms
        assert all(norm(network) is network for norm in norms)  # they do nothing any more
        weights = [weight for weight in network.parameters() if weight.ndim == 4]
        assert all(one.is_contiguous(memory_format=torch.channels_last) for one in weights)


def test_there_must_be_something_to_remember(here):
    write_world(here, remember=True, learning_rate_pretrained=0.001)
    with pytest.raises(InputError, match=r"train\.remember"):
        train()


def test_what_is_remembered_is_limited_in_mebibytes(here):
    write_world(here, remember=True, remember_mb=3, augment=STILL)
    grounder = tiny_grounder()
    grounder.train_pretrained(False)
    speed_up(grounder, None, train_params(read_params(), "full"))
    assert grounder.visual_encoder.backbone._memory.limit_bytes == 3 * 1024 * 1024


def test_what_is_equal_but_for_rounding_has_the_same_losses(here):
    write_world(here, epochs=1, augment=STILL)
    plain = rows(train())
    assert_losses_of(here, "channels_last", plain)
    assert_losses_of(here, "fold_batch_norms", plain)


# "inductor" is the second and a C++ compiler; `benchmarks.fast_paths --only compile` runs it
@pytest.mark.parametrize("backend", ["aot_eager", "aot_eager_decomp_partition"])
def test_a_compiled_visual_encoder_has_the_losses_and_gradients_of_a_plain_one(backend):
    plain, compiled = tiny_grounder(), tiny_grounder()
    compiled.visual_encoder.compile(backend=backend)
    (losses, gradient), (plain_losses, plain_gradient) = map(taken, (compiled, plain))
    torch.testing.assert_close(losses, plain_losses, rtol=EXACT_LOSS, atol=EXACT_LOSS)
    torch.testing.assert_close(gradient, plain_gradient, rtol=EXACT_LOSS, atol=EXACT_LOSS)


def taken(grounder):
    """Return the losses of a step and its gradient."""
    inputs = tiny_inputs()
    step = TrainingStep(grounder, tiny_scorer(), WEIGHTS, "fp32")
    step.progress = 1.0
    losses = step(**{field.name: getattr(inputs, field.name) for field in fields(inputs)})
    losses["loss"].backward()
    gradients = [
        weight.grad.flatten() for weight in grounder.parameters() if weight.grad is not None
    ]
    return {name: loss.detach() for name, loss in losses.items()}, torch.cat(gradients)
