"""What a guard of a training says of numbers, gradients and weights; steps of 3 an epoch."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch import nn

from pipeline.errors import InputError
from pipeline.training.checkpoints import checkpoint_path
from pipeline.training.guard import FiniteGuard

NOT_FINITE = [torch.nan, torch.inf, -torch.inf]


@pytest.fixture
def guard(tmp_path):
    return FiniteGuard(tmp_path, lambda epoch, step: [f"e{epoch}s{step}", "b", f"e{epoch}s{step}"])


def runner_of(epoch=2, wrapper=None):
    model = nn.Linear(2, 5)
    wrapper = wrapper or OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.1), clip_grad={"max_norm": 1.0}
    )
    return SimpleNamespace(
        epoch=epoch, model=model, optim_wrapper=wrapper, train_dataloader=[0, 0, 0]
    )


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_number_is_named_with_its_step_its_images_and_the_checkpoint_before(
    guard, tmp_path, value
):
    guard.check_step(runner_of(), 1, {"loss": 1e30, "cam": -1.0})
    with pytest.raises(InputError) as found:
        guard.check_step(runner_of(), 1, {"loss": 1.0, "cam": value})
    said = str(found.value)
    assert f"cam is {value} at step 8, in epoch 3, on the images e2s1, b;" in said
    assert f"{checkpoint_path(tmp_path, 2)}, after epoch 2" in said
    with pytest.raises(InputError, match=r"vision_gap is .* at step 7, .* images e2s0, b;"):
        guard.check_gap(runner_of(), value)
    guard.check_gap(runner_of(), -0.25)


def test_in_the_first_epoch_no_checkpoint_is_named(guard, tmp_path):
    with pytest.raises(InputError, match="loss is nan at step 1, in epoch 1,") as found:
        guard.check_step(runner_of(epoch=0), 0, {"loss": torch.nan})
    assert str(tmp_path) not in str(found.value)


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_weight_is_named_after_the_last_step_and_before_the_first(guard, tmp_path, value):
    runner = runner_of()
    guard.check_weights(runner)
    guard.check_start(runner)
    runner.model.bias.data[3] = value
    with pytest.raises(InputError, match=r"bias .*at step 9, in epoch 3, on the images e2s2, b;"):
        guard.check_weights(runner)
    with pytest.raises(InputError, match=rf"^train: {checkpoint_path(tmp_path, 2)}: .*bias"):
        guard.check_start(runner)
    runner.epoch = 0
    with pytest.raises(InputError, match="bias") as found:
        guard.check_start(runner)
    assert str(tmp_path) not in str(found.value)


def test_the_last_gradient_counts_and_only_once(guard):
    runner = runner_of()
    for factor in (1.0, torch.inf):
        runner.optim_wrapper.update_params(factor * runner.model(torch.ones(1, 2)).sum())
    with pytest.raises(InputError, match=r"gradient norm is (inf|nan) at step 7,"):
        guard.check_step(runner, 0, {"loss": 1.0})
    guard.check_step(runner, 0, {"loss": 1.0})


@pytest.fixture
def scaled(monkeypatch):
    """Return a runner with the optimiser of `fp16`, on the CPU, whose loss scale is 2 ** 16."""
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", partial(torch.amp.GradScaler, "cpu"))
    model = nn.Linear(2, 5)
    wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    wrapper.loss_scaler.scale(torch.ones(()))
    return runner_of(wrapper=wrapper)


def test_a_gradient_that_the_loss_scaler_leaves_out_is_no_error_before_40_halvings(guard, scaled):
    scaled.optim_wrapper.message_hub.update_scalar("train/grad_norm", torch.inf)
    guard.check_step(scaled, 0, {"loss": 1.0})
    scaled.optim_wrapper.loss_scaler.update(2.0 ** (16 - 39))
    guard.check_step(scaled, 0, {"loss": 1.0})
    scaled.optim_wrapper.loss_scaler.update(2.0 ** (16 - 40))
    with pytest.raises(InputError, match="gradient norm is inf at step 7, in epoch 3"):
        guard.check_step(scaled, 0, {"loss": 1.0})
