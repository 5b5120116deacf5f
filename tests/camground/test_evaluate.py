from pathlib import Path

import pytest

from camground.evaluate import plan_evaluation
from pipeline.errors import InputError
from pipeline.params.read import read_params
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", ["results/shapes/full", "/x/results/shapes/full/model"])
def test_the_dataset_becomes_a_target_once(model):
    for _ in range(2):
        files = plan_evaluation(Path(model), "own")
    assert (files.dataset, files.variant, files.trained_on) == ("own", "full", "shapes")
    assert read_params().run.targets == ("own",)


@pytest.mark.parametrize(
    ("model", "dataset", "named"),
    [
        ("results/shapes/none", "own", "results/shapes/full"),
        ("elsewhere/shapes/full", "own", "results/shapes/full"),
        ("results/shapes/full", "nowhere", "nowhere"),
        ("results/shapes/full", "shapes", r"run\.targets"),
    ],
)
def test_what_cannot_be_evaluated_is_named_and_nothing_changes(model, dataset, named):
    before = Path("params.yaml").read_bytes()
    with pytest.raises(InputError, match=named):
        plan_evaluation(Path(model), dataset)
    assert Path("params.yaml").read_bytes() == before
