import pytest

from pipeline.params.datasets import OwnDataset
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.tables.runs import Runs, models_of, seed_siblings, shown
from tests.conftest import ROOT

OWN = OwnDataset("jsonl", "a", "b", 0, 0)
MORE = """\
  full_seed1: {seed: 1}
  full_seed2: {seed: 2}
  off_seed1: {model.cam: "off", seed: 1}
  two: {model.depth: "3+3", model.cam: "off"}
  two_seed1: {model.cam: "off", seed: 1, model.depth: "3+3"}
"""


def row(accuracy):
    return {"accuracy": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.04}


def evaluation(accuracy, seed):
    splits = {"val": {"methods": {"reg": row(accuracy)}}}
    return {"provenance": {"seed": seed}, "splits": splits}


@pytest.fixture
def params(tmp_path):
    text = (ROOT / PARAMS_FILE).read_text(encoding="utf-8")
    names = "[full_seed1, no_cam, full, full_seed2, two_seed1]"
    text = text.replace("  variants: [full]\n", f"  variants: {names}\n")
    text = text.replace("  full: {} ", f"{MORE}  full: {{}} ")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    return read_params(tmp_path / "params.yaml")


def test_variants_that_differ_in_their_seed_alone_are_one_model(params):
    siblings = seed_siblings(params)
    assert siblings["full"] == siblings["full_seed2"] == ["full_seed1", "full", "full_seed2"]
    assert siblings["off_seed1"] == siblings["no_cam"] == ["no_cam"]
    assert siblings["two"] == siblings["two_seed1"] == ["two_seed1"]
    assert siblings["untrained"] == []
    assert models_of(params) == ["full_seed1", "no_cam", "two_seed1"]


def test_one_training_is_shown_with_its_interval_and_several_with_mean_and_deviation():
    assert shown([row(0.5)]) == "50.0 +-3.0"
    assert shown([row(0.5), row(0.53), row(0.59)]) == "54.0 sd 4.6 n=3"  # by hand: sqrt(21)
    assert shown([]) == "-"


def test_a_cell_takes_each_seed_once_and_what_was_not_run_is_a_dash():
    metrics = {"a": evaluation(0.5, 0), "again": evaluation(0.7, 0), "b": evaluation(0.6, 1)}
    runs = Runs("own", OWN, metrics, {"a": ["a", "again", "b", "missing"], "c": [], "b": ["x"]})
    assert runs.cell("a", "val") == "55.0 sd 7.1 n=2"  # 10 / sqrt(2)
    assert {runs.cell("a", "test"), runs.cell("a", "val", "x"), runs.cell("c", "val")} == {"-"}
    assert [runs.was_run(variant) for variant in ("a", "b", "c", "x")] == [True, *[False] * 3]


def test_the_splits_are_those_of_every_variant_in_order():
    splits = [{"val": {}, "minival": {}, "testB": {}}, {"testA": {}, "val": {}, "test": {}}]
    runs = Runs("own", OWN, {str(n): {"splits": one} for n, one in enumerate(splits)}, {})
    assert runs.splits == ["minival", "test", "testA", "testB", "val"]
