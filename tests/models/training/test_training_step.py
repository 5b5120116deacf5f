"""A step in half precision beside one in float32."""

from contextlib import nullcontext
from dataclasses import fields

import pytest
import torch

from models.training.mining_loss import FrozenClassifier
from models.training.training_step import TrainingStep, in_float32
from tests.models.grounder.tiny_grounder import WEIGHTS, tiny_grounder, tiny_inputs, tiny_scorer


def taken(precision, around=None, **changes):
    """Return the losses of a step and the gradients of all weights; mining asks in float32."""
    inputs, frozen, seen = tiny_inputs(), tiny_scorer(), []

    def probs(images):
        seen.append((images.dtype, torch.is_autocast_enabled("cpu")))
        return frozen.probs(images)

    grounder = tiny_grounder(**changes)
    step = TrainingStep(grounder, FrozenClassifier(probs, frozen.blank), WEIGHTS, precision)
    step.progress = 1.0
    with around or nullcontext():
        losses = step(**{field.name: getattr(inputs, field.name) for field in fields(inputs)})
    losses["loss"].backward()
    assert set(seen) == {(torch.float32, False)}
    grads = {name: weight.grad for name, weight in grounder.named_parameters()}
    return {name: value.detach() for name, value in losses.items()}, grads


@pytest.mark.parametrize("head", ["reg_token", "per_proposal"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_step_in_half_precision_is_close_to_one_in_float32(precision, head):
    exact, exact_grads = taken("fp32", head=head)
    losses, grads = taken(precision, head=head)
    for name, value in losses.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact[name], rtol=0.01, atol=0.002, msg=name)
    assert not torch.equal(losses["reconstruction_loss"], exact["reconstruction_loss"])
    given = [name for name, grad in exact_grads.items() if grad is not None]
    assert [name for name, grad in grads.items() if grad is not None] == given
    flat, exact_flat = (
        torch.cat([found[name].flatten() for name in given]) for found in (grads, exact_grads)
    )
    assert torch.cosine_similarity(flat, exact_flat, dim=0) > 0.99


def test_losses_stay_float32_in_the_autocast_of_mmengines_wrapper():
    alone, _ = taken("bf16")
    within, _ = taken("bf16", torch.autocast("cpu", torch.bfloat16))
    assert all(torch.equal(within[name], value) for name, value in alone.items())


def batch():
    inputs = tiny_inputs()
    return {field.name: getattr(inputs, field.name) for field in fields(inputs)}


def test_an_update_goes_down_the_gradient_of_the_loss_and_tells_every_scalar():
    torch.manual_seed(0)
    step = TrainingStep(tiny_grounder(), tiny_scorer_of_nouns(), WEIGHTS, "fp32")
    assert step.progress == 0
    seen = []

    class Wrapper:
        def update_params(self, loss):
            seen.append(loss)

    expected = step(**batch())
    scalars = step.train_step(batch(), Wrapper())
    assert scalars.keys() == expected.keys()
    for name, value in scalars.items():
        torch.testing.assert_close(value, expected[name].detach(), msg=name)
        assert not value.requires_grad
    assert seen[0].requires_grad
    torch.testing.assert_close(seen[0], expected["loss"])


def tiny_scorer_of_nouns():
    frozen = tiny_scorer()
    return FrozenClassifier(frozen.probs, frozen.blank)


def test_a_batch_goes_to_the_device_of_the_weights():
    step = TrainingStep(tiny_grounder(), None, WEIGHTS, "fp32").to("meta")
    moved = step.data_preprocessor(batch())
    assert {value.device.type for value in moved.values()} == {"meta"}


def test_the_vision_gap_is_measured_without_dropout_and_counts_no_padded_phrase():
    step = TrainingStep(tiny_grounder(dropout=0.5), None, WEIGHTS, "fp32")
    other = batch()
    gap = step.vision_gap(other)
    assert step.training
    assert step.vision_gap(other) == gap
    other["word_ids"][1, 2] = (other["word_ids"][1, 2] + 1) % 19  # of a phrase that is padding
    assert step.vision_gap(other) == pytest.approx(gap, abs=1e-6)
    other["word_ids"][0, 0] = (other["word_ids"][0, 0] + 1) % 19
    assert step.vision_gap(other) != pytest.approx(gap, abs=1e-6)


def test_in_float32_changes_numbers_and_no_mask():
    grounder = tiny_grounder().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = grounder(tiny_inputs())
    high = in_float32(low)
    dtypes = {getattr(high, field.name).dtype for field in fields(high)}
    assert dtypes == {torch.float32, torch.bool}
    assert torch.equal(high.attended, low.attended.float())
