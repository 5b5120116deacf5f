"""Two processes of a training, started as a person starts them, beside one with whole batches."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest

from models.grounder.checkpoint import load_grounder
from pipeline.paths import ResultFiles
from tests.cached_world import ROOT, write_world

EPOCHS = 12
# Every other draw of an augmentation has a seed of its own; dropout has one of each process.
SETTINGS = {
    "epochs": EPOCHS,
    "batch_images": 4,  # of the 6 samples of an epoch: a batch of 2 comes last
    "augment": {"flip": 0.5, "jitter": 0.4, "crop": 0.5, "scales": 2, "translate": True},
    "model": {"dropout": 0.0},
}


def curves(folder, **variables):
    """Train in a folder; return what each epoch measured, by name."""
    folder.mkdir()
    write_world(folder, **SETTINGS)
    environment = {key: value for key, value in os.environ.items() if key != "DVC_ROOT"}
    subprocess.run(
        [sys.executable, "-m", "stages.train", "shapes", "full"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), **variables},
        check=True,
    )
    with (folder / ResultFiles("shapes", "full").curves).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.mark.slow
def test_two_processes_have_the_loss_curves_of_one(tmp_path):
    alone, together = curves(tmp_path / "one"), curves(tmp_path / "two", PIPELINE_NPROC="2")
    assert alone["step"].tolist() == [2.0 * epoch for epoch in range(1, EPOCHS + 1)]
    assert alone["loss"][-1] < 0.95 * alone["loss"][0]
    assert not np.array_equal(
        alone.pop("vision_gap"), together.pop("vision_gap")
    )  # of rank 0's half
    for name, values in alone.items():  # of six digits, the last may be rounded the other way
        np.testing.assert_allclose(together[name], values, rtol=2e-5, err_msg=name)
    load_grounder(tmp_path / "two" / ResultFiles("shapes", "full").model)
