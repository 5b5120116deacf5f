"""Two processes of a training beside one with whole batches."""

import csv
import signal

import numpy as np
import pytest

from models.grounder.checkpoint import load_grounder
from pipeline.paths import ResultFiles
from stages.train import main
from tests.cached_world import write_world
from tests.stages.command import start
from tests.stages.two_processes import train_in_two

EPOCHS = 6
# Every other draw of an augmentation has a seed of its own; dropout has one of each process.
SETTINGS = {
    "epochs": EPOCHS,
    "learning_rate": 0.002,
    "batch_images": 4,  # of the 6 samples of an epoch: a batch of 2 comes last
    "augment": {"flip": 0.5, "jitter": 0.4, "crop": 0.5, "scales": 2, "translate": True},
    "model": {"dropout": 0.0},
}


def curves(folder):
    """Return what each epoch measured, by name."""
    with (folder / ResultFiles("shapes", "full").curves).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of a training by two processes."""
    folder = tmp_path_factory.mktemp("together")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DVC_ROOT", raising=False)
        write_world(folder, **SETTINGS)
        assert train_in_two(folder) == ([0, 0], [])
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Another folder with the same world."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path, **SETTINGS)
    return tmp_path


def made(folder):
    """Return every file of a training by name, as bytes."""
    top = folder / ResultFiles("shapes", "full").folder
    files = [path for path in top.rglob("*") if path.is_file()]
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_two_processes_killed_in_an_epoch_go_on_to_the_same_bytes(together, here):
    def is_in_the_third_epoch():
        return [*here.glob(".work/train/*/epoch_000002.pth")]

    assert train_in_two(here, is_in_the_third_epoch) == ([-signal.SIGKILL] * 2, [])
    assert not made(here)
    assert train_in_two(here) == ([0, 0], [])
    assert made(here) == made(together)


@pytest.mark.slow
def test_two_processes_have_the_loss_curves_of_one(together, here, monkeypatch):
    start(monkeypatch, main, "shapes", "full")
    alone, of_two = curves(here), curves(together)
    assert alone["step"].tolist() == [2.0 * epoch for epoch in range(1, EPOCHS + 1)]
    assert alone["loss"][-1] < alone["loss"][0]
    assert not np.array_equal(alone.pop("vision_gap"), of_two.pop("vision_gap"))  # of rank 0's half
    for name, values in alone.items():  # of six digits, the last may be rounded the other way
        np.testing.assert_allclose(of_two[name], values, rtol=2e-5, err_msg=name)
    load_grounder(together / ResultFiles("shapes", "full").model)
