import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from pipeline import runtime
from pipeline.errors import InputError
from pipeline.images import BadImageError
from tests.conftest import ROOT


@pytest.fixture
def arguments(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def read(*words, variant=False):
        monkeypatch.setattr(sys, "argv", ["stages.cams", *words])
        return vars(runtime.stage_arguments("Stage `cams`.\n\nreads", variant=variant))

    return read


def test_a_stage_reads_its_dataset(arguments):
    assert arguments("shapes") == {"dataset": "shapes"}


def test_a_stage_of_variants_reads_both(arguments):
    assert arguments("shapes", "full", variant=True) == {"dataset": "shapes", "variant": "full"}


@pytest.mark.parametrize("words", [("none",), ("none", "full"), ("shapes", "none")])
def test_names_that_params_does_not_know_are_refused(arguments, words):
    with pytest.raises(InputError, match=r"'none' is no key of `.*` in params.yaml"):
        arguments(*words, variant=len(words) == 2)


@pytest.mark.parametrize("words", [(), ("shapes", "full")])
def test_a_wrong_number_of_words_shows_the_usage(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        arguments(*words)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def run_stage_that(raises):
    script = (
        "from pipeline.runtime import stage_arguments\n"
        "from pipeline.images import BadImageError\n"
        f"stage_arguments('Doc.')\n{raises}"
    )
    command = [sys.executable, "-c", script, "shapes"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_persons_mistake_is_one_line_and_exit_status_1():
    done = run_stage_that("raise BadImageError('a.jpg: cannot be read:\\n  cut')")
    assert done.returncode == 1
    assert done.stderr == "error: a.jpg: cannot be read: cut\n"


def test_a_mistake_of_the_code_is_a_traceback_and_exit_status_1():
    done = run_stage_that("raise ValueError('of the code')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ValueError: of the code" in done.stderr


def test_every_named_error_is_an_input_error():
    assert issubclass(BadImageError, InputError)
    assert issubclass(InputError, ValueError)


def test_the_device_is_the_one_that_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    devices = [runtime.pick_device(name).type for name in ("auto", "cpu", "cuda")]
    assert devices == ["cuda", "cpu", "cuda"]


def test_without_cuda_auto_is_the_cpu_and_cuda_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.pick_device("auto").type == "cpu"
    with pytest.raises(InputError, match=r"runtime\.device: cuda is asked for"):
        runtime.pick_device("cuda")


@pytest.fixture
def _restored():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_restored")
def test_a_seed_fixes_python_numpy_and_torch():
    def draws(seed):
        runtime.seed_everything(seed)
        return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002

    assert draws(3) == draws(3)
    assert all(a != b for a, b in zip(draws(3), draws(4), strict=True))
    assert torch.are_deterministic_algorithms_enabled()
