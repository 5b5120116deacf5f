"""What `benchmarks/gpu.py` counts; it must not fail on the day when a GPU is there."""

import sys

import pytest
import torch
from torch import nn

from benchmarks import gpu, roofline
from pipeline.params.read import train_params
from tests.cached_world import ROOT

CPU = torch.device("cpu")
BATCH, IN, OUT = 13, 7, 11


class SquaredSum(nn.Module):
    """A step as small as can be: the sum of the squares of one product."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(IN, OUT))

    def data_preprocessor(self, batch):
        return batch

    def forward(self, inputs):
        return {"loss": (inputs @ self.weight).square().sum()}


def test_flops_and_bytes_are_those_of_the_products():
    flops, saved = roofline.count_work(SquaredSum(), {"inputs": torch.randn(BATCH, IN)})
    assert flops == 2 * (2 * BATCH * IN * OUT)  # the product; the weight's gradient
    assert saved == 4 * (BATCH * IN + BATCH * OUT)  # the inputs, and what is squared


def test_each_weight_is_moved_as_often_as_a_step_needs_it():
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(2, 7).requires_grad_(False))
    in_passes, in_update = 4 * (2 + 2), 4 * (1 + 2 + 4)  # reads and writes of 4 bytes
    expected = 2 * 1000 + 20 * (in_passes + in_update / 4) + 21 * 4 * 2
    assert roofline.least_bytes(model, saved=1000, accumulate=4) == expected


def test_parts_add_up_to_the_whole():
    seconds = {"backbone": 2.0, "visual encoder": 3.0, "fusion": 1.0}
    whole = {"grounder": 5.0, "forward": 7.0, "backward": 11.0, "optimiser": 13.0}
    apart = gpu._apart(seconds | whole)
    assert sum(apart.values()) == pytest.approx(7.0 + 11.0 + 13.0)
    assert (apart["visual encoder"], apart["other layers"]) == (1.0, 1.0)


@pytest.fixture(scope="module")
def steps():
    files = [str(ROOT / "profiles" / f"{name}.yaml") for name in gpu.PROFILES["paper"]]
    params = train_params(gpu.read_with([*files, *gpu.TINY]), "full")
    return gpu.measure_steps("paper", params, "resnet18", CPU, count=1)


def test_no_step_is_faster_than_the_floor(steps):
    assert 0 < steps.floor_s < steps.seconds
    assert min(steps.flops, steps.bytes, steps.peak_gib) > 0


def test_every_part_takes_its_time(steps):
    names = {"backbone", "text encoder", "fusion", "decoder", "backward", "optimiser"}
    assert names < set(steps.parts)
    assert all(steps.parts[name] > 0 for name in names)


def test_the_table_has_a_column_per_profile(steps):
    lines = gpu.table([steps, steps]).splitlines()
    assert {line.count("|") for line in lines} == {4}
    assert any(line.startswith("| backward, ms |") for line in lines)


def test_a_command_that_fails_or_takes_too_long_is_told(tmp_path):
    python = (sys.executable, "-c")
    assert gpu._last_line([*python, "print(1); print('=== 2 passed ===')"], tmp_path, 60) == (
        "2 passed"
    )
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        gpu._last_line([*python, "1 / 0"], tmp_path, 60)
    with pytest.raises(RuntimeError, match="more than"):
        gpu._last_line([*python, "import time; time.sleep(60)"], tmp_path, 0.2)
