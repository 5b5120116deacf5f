import os
import random

import numpy as np
import pytest
import torch

from pipeline import runtime
from pipeline.errors import InputError


def test_the_device_is_the_one_that_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    devices = [runtime.pick_device(name).type for name in ("auto", "cpu", "cuda")]
    assert devices == ["cuda", "cpu", "cuda"]


def test_without_cuda_auto_is_the_cpu_and_cuda_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.pick_device("auto").type == "cpu"
    with pytest.raises(InputError, match=r"runtime\.device.*cuda"):
        runtime.pick_device("cuda")


@pytest.fixture
def _restored():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_restored")
def test_equal_seeds_are_to_give_equal_results_on_a_gpu_too(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)  # times kernels and takes any
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)  # slow
    runtime.seed_everything(3)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")  # those cuBLAS names
    assert not torch.backends.cudnn.benchmark
    assert not torch.utils.deterministic.fill_uninitialized_memory


@pytest.mark.usefixtures("_restored")
def test_a_seed_fixes_python_numpy_and_torch():
    def draws(seed):
        runtime.seed_everything(seed)
        return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002

    assert draws(3) == draws(3)
    assert all(a != b for a, b in zip(draws(3), draws(4), strict=True))
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
