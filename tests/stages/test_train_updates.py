"""What mmengine's runner and its wrappers of the optimiser do to an update."""

import math
from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from mmengine.optim.optimizer import amp_optimizer_wrapper

from models.training.training_step import TrainingStep
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params, train_params
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.training.processes import Machine, ProcessGroup
from stages.train import build_optimiser, build_training, train
from tests.cached_world import FILES, write_world
from tests.models.grounder.tiny_grounder import WEIGHTS, tiny_grounder, tiny_inputs, tiny_scorer

IMAGES, CPU = FILES.annotations / "images", torch.device("cpu")


@pytest.fixture
def updates(monkeypatch):
    """Collect the rates and the norm of all gradients that every update is made with."""
    made, step = [], torch.optim.AdamW.step

    def watched(optimiser, *args, **kwargs):
        groups = optimiser.param_groups
        grads = [weight.grad for group in groups for weight in group["params"]]
        norm = torch.cat([grad.flatten() for grad in grads if grad is not None]).norm()
        made.append(([group["lr"] for group in groups], norm.item()))
        return step(optimiser, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    return made


def params_of(here, monkeypatch, **changes):
    monkeypatch.chdir(here)
    write_world(here, **changes)
    return train_params(read_params(), "full")


def train_on(folder, params, device=CPU):
    step, dataset = build_training(
        FILES, GroundingTables.from_caches(FILES, IMAGES, ("train",)), params, device
    )
    train(step, dataset, params, folder, Machine(ProcessGroup(0, 1, device), 0, Observer("train")))
    return step


def test_each_group_warms_up_and_cools_down_and_every_gradient_is_clipped(
    tmp_path, monkeypatch, updates
):
    rates = {"learning_rate": 0.004, "learning_rate_pretrained": 0.001}
    params = params_of(
        tmp_path, monkeypatch, **rates, epochs=4, warmup_fraction=0.25, grad_clip_norm=0.01
    )
    train_on(tmp_path, params)
    factors = [1 / 4, 2 / 4, 3 / 4, *((1 + math.cos(math.pi * k / 9)) / 2 for k in range(9))]
    wanted = [[0.004 * factor, 0.001 * factor] for factor in factors]
    torch.testing.assert_close(torch.tensor([rate for rate, _ in updates]), torch.tensor(wanted))
    assert [norm for _, norm in updates] == pytest.approx([0.01] * 12, rel=1e-3)


def test_two_batches_per_update_make_half_as_many_updates(tmp_path, monkeypatch, updates):
    params = params_of(tmp_path, monkeypatch, epochs=1, batch_images=1, accumulate_batches=2)
    train_on(tmp_path, params)
    assert len(updates) == 3  # of 6 batches


def test_a_scaled_loss_makes_the_update_of_a_clipped_gradient(tmp_path, monkeypatch, updates):
    params = params_of(tmp_path, monkeypatch, grad_clip_norm=0.01, precision="fp16")
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    scaler = partial(torch.amp.GradScaler, "cpu")
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", scaler)
    grounder, inputs = tiny_grounder(), tiny_inputs()
    optimiser = build_optimiser(grounder, params)
    before = [weight.detach().clone() for weight in grounder.new_parameters()]
    batch = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    step = TrainingStep(grounder, tiny_scorer(), WEIGHTS, "fp16")
    for _ in range(12):  # while the scaled gradient overflows, the scale is halved
        losses = step.train_step(batch, optimiser)
        if updates:
            break
    assert losses["loss"] < 100  # not the scaled one
    assert optimiser.loss_scaler.get_scale() >= 16
    assert [norm for _, norm in updates] == pytest.approx([0.01], rel=1e-3)
    after = grounder.new_parameters()
    moved = [not torch.equal(*pair) for pair in zip(before, after, strict=True)]
    assert sum(moved) > 0.9 * len(moved)


def test_half_precision_with_a_scaled_loss_needs_cuda(tmp_path, monkeypatch):
    params = params_of(tmp_path, monkeypatch, precision="fp16")
    with pytest.raises(InputError, match="fp16 scales the loss, which needs CUDA"):
        train_on(tmp_path, params)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_on_cuda(tmp_path, monkeypatch, updates, precision):
    params = params_of(tmp_path, monkeypatch, epochs=4)
    step = train_on(tmp_path, replace(params, precision=precision), torch.device("cuda"))
    assert len(updates) > 8  # of 12: a step whose scaled gradient overflows is left out
    assert all(weight.isfinite().all() for weight in step.grounder.parameters())
