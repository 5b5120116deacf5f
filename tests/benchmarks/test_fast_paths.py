import sys

from benchmarks import fast_paths
from tests.conftest import ROOT

SMALL = [
    "train.image_px=64",
    "train.batch_images=2",
    "train.phrases_per_image=1",
    "train.loss.mining_px=32",
    "train.model.embed_dim=8",
    "train.model.heads=2",
    "train.language.hidden=8",
    "train.language.heads=2",
]


def test_a_switch_is_timed_and_its_losses_are_those_of_the_plain_way(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    options = ["--repeats", "1", "--classifier", "resnet18", "--only", "remember"]
    monkeypatch.setattr(sys, "argv", ["fast_paths", *SMALL, *options])
    fast_paths.main()
    said = capsys.readouterr().out
    assert said.startswith("remember: ")
    assert float(said.split("within ")[1]) == 0
