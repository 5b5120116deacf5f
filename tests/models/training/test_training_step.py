"""A step in half precision beside one in float32."""

from contextlib import nullcontext
from dataclasses import fields

import pytest
import torch

from models.training.mining_loss import FrozenClassifier
from models.training.training_step import TrainingStep
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
