import csv
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from unittest.mock import Mock
from uuid import uuid4

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params
from pipeline.training.checkpoints import checkpoint_path, find_checkpoint
from pipeline.training.guard import FiniteGuard
from pipeline.training.loop import CURVES, GroundingRunner, Watch, cosine_after_warmup
from pipeline.training.processes import ProcessGroup
from tests.conftest import ROOT

BATCHES = [torch.tensor([value]) for value in (1.0, 2.0, 4.0)]
FULL_RATES = (0.5, 0.25)
OBSERVER = Observer("train")
PARAMS = replace(read_params(ROOT / "params.yaml").train, warmup_fraction=0.34, epochs=2, seed=7)


class Counted(nn.Module):
    """A weight that is pulled down by every batch, and what was seen on the way."""

    def __init__(self):
        super().__init__()
        self.weight, self.other = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        self.progress = 0.0
        self.seen, self.gap_batches, self.random = [], [], []

    def train_step(self, data, optim_wrapper):
        rates = [group["lr"] for group in optim_wrapper.optimizer.param_groups]
        self.seen.append((self.progress, *rates))
        self.random.append(torch.rand(()).item())
        loss = (data * (self.weight + self.other)).sum()
        optim_wrapper.update_params(loss)
        return {"loss": loss.detach() + data.sum()}

    def vision_gap(self, batch):
        self.gap_batches.append(batch.item())
        return 0.125


def run(folder, model, epochs=2, batches=BATCHES, **settings):
    runner_of(folder, model, epochs, batches, **settings).train()
    return model


def runner_of(folder, model, epochs=2, batches=BATCHES, observer=OBSERVER, accumulate=1, log=print):
    groups = [
        {"params": [weight], "full_lr": rate}
        for weight, rate in zip((model.weight, model.other), FULL_RATES, strict=True)
    ]
    checkpoint = find_checkpoint(folder, log)
    guard = FiniteGuard(folder, lambda *_: ["a"])
    return GroundingRunner(
        ProcessGroup(0, 1, torch.device("cpu")),
        model=model,
        work_dir=str(folder),
        train_dataloader=DataLoader(batches, collate_fn=lambda items: items[0]),
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        optim_wrapper=OptimWrapper(
            torch.optim.SGD(groups, lr=99.0),
            accumulative_counts=accumulate,
            clip_grad={"max_norm": 1.0},
        ),
        custom_hooks=[Watch(model, PARAMS, folder, observer, guard)],
        load_from=checkpoint and str(checkpoint),
        resume=checkpoint is not None,
        randomness={"seed": PARAMS.seed},
        experiment_name=uuid4().hex,
    )


def test_every_group_has_its_own_rate_times_the_factor_of_the_step(tmp_path):
    seen = run(tmp_path, Counted()).seen
    assert [progress for progress, _, _ in seen] == pytest.approx([step / 6 for step in range(6)])
    for step, (_, first, second) in enumerate(seen):
        factor = cosine_after_warmup(step, 6, PARAMS.warmup_fraction)
        assert (first, second) == pytest.approx((0.5 * factor, 0.25 * factor))


def test_curves_hold_the_means_of_an_epoch_and_its_last_rate(tmp_path):
    model = run(tmp_path, Counted())
    with (tmp_path / CURVES).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["epoch"], row["step"], row["vision_gap"]) for row in rows] == [
        ("1", "3", "0.125"),
        ("2", "6", "0.125"),
    ]
    rates = [sum(first for _, first, _ in model.seen[start : start + 3]) / 3 for start in (0, 3)]
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx(rates, rel=1e-5)
    assert model.gap_batches == [1.0, 1.0]  # the first batch of each epoch


def test_curves_have_a_row_for_ten_steps_and_one_for_the_rest_of_an_epoch(tmp_path):
    run(tmp_path, Counted(), batches=[torch.tensor([1.0])] * 13)
    with (tmp_path / CURVES).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    places = [(int(row["epoch"]), int(row["step"])) for row in rows]
    assert places == [(1, 10), (1, 13), (2, 23), (2, 26)]


class Listener(Observer):
    """Keeps the messages, and of each bar its label, its length and what has passed."""

    def __init__(self):
        super().__init__("train")
        self.messages, self.bars = [], {}

    def log(self, message):
        self.messages.append(message)

    def progress(self, items, total, label):
        passed = self.bars[label] = [total]
        for item in items:
            passed.append(item)
            yield item
        passed.append("end")


def test_each_epoch_has_a_bar_of_its_steps_and_a_line_of_its_figures(tmp_path, capfd):
    listener = Listener()
    runner = runner_of(tmp_path, Counted(), observer=listener)
    runner.train()
    assert not runner.message_hub.log_scalars  # which would grow, in every checkpoint
    assert capfd.readouterr() == ("", "")  # of mmengine
    passed = [3, 0, 1, 2, "end"]
    assert listener.bars == {"epoch 1/2": passed, "epoch 2/2": passed}
    with (tmp_path / CURVES).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for message, row in zip(listener.messages, rows, strict=True):
        told = f"epoch {row['epoch']}/2: loss {row['loss']}, vision gap 0.125, "
        assert message.startswith(told)
        assert 0 <= float(message.removeprefix(told).split()[0]) < 60


def test_dropout_has_its_own_numbers_in_each_epoch_process_and_training(tmp_path):
    seeds = []
    for seed, epoch, rank in [*product((3, 5), (0, 1), (0, 1)), (3, 0, 0)]:
        runner = SimpleNamespace(
            epoch=epoch, rank=rank, max_epochs=9, optim_wrapper=Mock(), train_dataloader=[0]
        )
        watch = Watch(Counted(), replace(PARAMS, seed=seed), tmp_path, OBSERVER, None)
        watch.before_train_epoch(runner)
        seeds.append(torch.initial_seed())
    assert len(set(seeds)) == 8
    assert seeds[0] == seeds[8]


@pytest.mark.parametrize("accumulate", [1, 2])  # of 3 batches an epoch
def test_a_training_goes_on_after_the_epochs_that_it_finished(tmp_path, capsys, accumulate):
    whole, half = tmp_path / "whole", tmp_path / "half"
    whole.mkdir(), half.mkdir()
    at_once = run(whole, Counted(), epochs=3, accumulate=accumulate)
    with pytest.raises(KeyboardInterrupt):
        run(half, Stopped(), epochs=3, accumulate=accumulate)
    assert "0 of 3" not in capsys.readouterr().out
    again = run(half, Counted(), epochs=3, accumulate=accumulate)
    assert "1 of 3" in capsys.readouterr().out
    assert again.seen == at_once.seen[3:]
    assert again.random == at_once.random[3:]
    assert torch.equal(again.weight, at_once.weight)
    assert (half / CURVES).read_text() == (whole / CURVES).read_text()
    assert sorted(half.glob("*.pth")) == [checkpoint_path(half, epoch) for epoch in (2, 3)]


class Wider(Counted):
    """Has a weight more than the model of the checkpoints."""

    def __init__(self):
        super().__init__()
        self.third = nn.Parameter(torch.zeros(1))


def _renamed(folder):
    checkpoint_path(folder, 2).rename(checkpoint_path(folder, 3))


def _emptied(folder):
    torch.save({"a": torch.zeros(1)}, checkpoint_path(folder, 2))


@pytest.mark.parametrize(
    ("model", "batches", "change"),
    [
        (Wider, BATCHES, lambda _: None),
        (Counted, BATCHES[:2], lambda _: None),
        (Counted, BATCHES, _renamed),
        (Counted, BATCHES, _emptied),
    ],
    ids=["another model", "another data set", "another epoch", "other weights"],
)
def test_a_checkpoint_of_something_else_is_named(tmp_path, model, batches, change):
    run(tmp_path, Counted())
    change(tmp_path)
    with pytest.raises(InputError, match=r"epoch_00000[23]\.pth") as refused:
        run(tmp_path, model(), epochs=4, batches=batches)
    assert "\n" not in str(refused.value)


class Broken(Counted):
    """Has a number that is not finite in one place."""

    def __init__(self, place):
        super().__init__()
        self.place = place
        if place == "start":
            self.weight.data.fill_(torch.inf)

    def train_step(self, data, optim_wrapper):
        found = super().train_step(data, optim_wrapper)
        if self.place == "weights" and len(self.seen) == 3:
            self.weight.data.fill_(torch.nan)
        return {"loss": found["loss"] * (torch.nan if self.place == "loss" else 1)}

    def vision_gap(self, _):
        return torch.nan if self.place == "gap" else 0.0


@pytest.mark.parametrize(
    ("place", "told", "steps"),
    [
        ("start", "weight", 0),
        ("loss", "loss is nan at step 1,", 1),
        ("weights", "weight .*at step 3,", 3),
        ("gap", "vision_gap is nan at step 1,", 3),
    ],
)
def test_a_training_ends_at_the_first_number_that_is_not_finite(tmp_path, place, told, steps):
    model = Broken(place)
    with pytest.raises(InputError, match=told):
        run(tmp_path, model)
    assert len(model.seen) == steps
    assert not [*tmp_path.glob("*.pth")]


def test_only_the_first_of_several_processes_measures_and_writes(tmp_path):
    model = Counted()
    guard = FiniteGuard(tmp_path, lambda *_: ["a"])
    watch = Watch(model, PARAMS, tmp_path, OBSERVER, guard)
    runner = SimpleNamespace(
        epoch=0, rank=1, max_epochs=1, optim_wrapper=Mock(), train_dataloader=[0], model=model
    )
    watch.before_train_epoch(runner)
    watch.after_train_epoch(runner)
    assert (model.gap_batches, [*tmp_path.iterdir()]) == ([], [])


class Stopped(Counted):
    """Is interrupted in its second epoch, or later."""

    def __init__(self, steps=4):
        super().__init__()
        self.steps = steps

    def train_step(self, data, optim_wrapper):
        if len(self.seen) == self.steps:
            raise KeyboardInterrupt
        return super().train_step(data, optim_wrapper)


def test_every_epoch_has_random_numbers_of_its_own(tmp_path):
    random = run(tmp_path, Counted()).random
    assert len(set(random)) == 6


def test_the_rate_rises_linearly_then_falls_along_half_a_cosine():
    factors = [cosine_after_warmup(step, 20, 0.2) for step in range(20)]
    assert factors[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert factors[4] == 1
    assert factors[12] == pytest.approx(0.5)
    assert factors[8] == pytest.approx((1 + 2**-0.5) / 2)
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert 0 < factors[19] < 0.02


def test_without_warm_up_the_first_step_has_the_full_rate():
    assert cosine_after_warmup(0, 7, 0.0) == 1


def test_a_single_step_has_the_full_rate():
    assert cosine_after_warmup(0, 1, 0.03) == 1


def test_a_model_goes_to_the_device_of_its_process():
    runner = GroundingRunner.__new__(GroundingRunner)
    runner._group = ProcessGroup(0, 1, torch.device("meta"))
    assert runner.wrap_model(None, nn.Linear(2, 3)).weight.device.type == "meta"


def test_a_model_of_several_processes_shares_gradients_and_not_its_buffers(tmp_path):
    distributed.init_process_group("gloo", f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        runner = GroundingRunner.__new__(GroundingRunner)
        runner._group = ProcessGroup(0, 2, torch.device("cpu"))
        wrapped = runner.wrap_model(None, nn.Linear(2, 3))
        assert isinstance(wrapped, DistributedDataParallel)
        assert (wrapped.device_ids, wrapped.broadcast_buffers) == (None, False)
    finally:
        distributed.destroy_process_group()
