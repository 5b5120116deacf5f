import json
import sys
from pathlib import Path

import pytest

from camground.evaluate import main, plan_evaluation
from pipeline.errors import InputError
from pipeline.params.read import read_params
from pipeline.paths import ResultFiles
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
        ("results/own/full", "own", "results/shapes/full"),
        ("results/shapes/full", "nowhere", "nowhere"),
        ("results/shapes/full", "shapes", r"run\.targets"),
    ],
)
def test_what_cannot_be_evaluated_is_named_and_nothing_changes(model, dataset, named):
    before = Path("params.yaml").read_bytes()
    with pytest.raises(InputError, match=named):
        plan_evaluation(Path(model), dataset)
    assert Path("params.yaml").read_bytes() == before


@pytest.mark.parametrize("status", [0, 3])
def test_dvc_is_asked_for_the_report_and_its_hits_are_shown(monkeypatch, capsys, status):
    asked = "import sys; open('asked', 'w').write(' '.join(sys.argv[1:]))"
    Path("dvc.py").write_text(f"{asked}; sys.exit({status})")  # `python -m dvc` finds it first
    files = ResultFiles("own", "full", "shapes")
    files.evaluation.parent.mkdir(parents=True)
    hits = {"phrases": 7, "methods": {"reg": {"accuracy": 0.25, "low": 0.125, "high": 0.375}}}
    evaluation = {"splits": {"test": hits}, "provenance": {"seed": 0}}
    files.evaluation.write_text(json.dumps(evaluation))
    monkeypatch.setattr(sys, "argv", ["camground evaluate", "results/shapes/full", "own"])
    if status:
        with pytest.raises(InputError, match="target_report@shapes-own-full"):
            main()
    else:
        main()
        head, row, report = capsys.readouterr().out.splitlines()
        assert head.split()[:5] == ["dataset", "model", "split", "n", "reg"]
        assert row.split()[:5] == ["own", "shapes-full", "test", "7", "25.0"]
        assert report == "report: results/own/shapes-full/report/report.html"
    assert Path("asked").read_text() == "repro target_report@shapes-own-full"
