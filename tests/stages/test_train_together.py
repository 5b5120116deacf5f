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


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders with the same world."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        write_world(folder, **SETTINGS)
    return folders


@pytest.mark.slow
def test_two_processes_have_the_loss_curves_of_one(folders, monkeypatch):
    assert train_in_two(folders[1]) == ([0, 0], [])
    monkeypatch.chdir(folders[0])
    start(monkeypatch, main, "shapes", "full")
    alone, together = map(curves, folders)
    assert alone["step"].tolist() == [2.0 * epoch for epoch in range(1, EPOCHS + 1)]
    assert alone["loss"][-1] < alone["loss"][0]
    assert not np.array_equal(
        alone.pop("vision_gap"), together.pop("vision_gap")
    )  # of rank 0's half
    for name, values in alone.items():  # of six digits, the last may be rounded the other way
        np.testing.assert_allclose(together[name], values, rtol=2e-5, err_msg=name)
    load_grounder(folders[1] / ResultFiles("shapes", "full").model)


def made(folder):
    """Return every file of a training by name, as bytes."""
    top = folder / ResultFiles("shapes", "full").folder
    files = [path for path in top.rglob("*") if path.is_file()]
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_two_processes_killed_in_an_epoch_go_on_to_the_same_bytes(folders):
    whole, killed = folders
    assert train_in_two(whole) == ([0, 0], [])

    def is_in_the_third_epoch():
        return [*killed.glob(".work/train/*/epoch_000002.pth")]

    assert train_in_two(killed, is_in_the_third_epoch) == ([-signal.SIGKILL] * 2, [])
    assert not made(killed)
    assert train_in_two(killed) == ([0, 0], [])
    assert made(killed) == made(whole)
