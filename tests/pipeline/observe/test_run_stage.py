import json
import subprocess
import sys

import pytest

from pipeline.observe.observer import Observer
from pipeline.observe.run_stage import run_stage, tracked_params
from tests.conftest import ROOT

NOBODY = "http://127.0.0.1:9/api"  # the discard port: refused


def test_only_the_first_of_several_processes_looks_for_a_server(health, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("pipeline.observe.run_stage.use_server", None)  # calling it would fail
    assert type(run_stage("train@shapes-full", lambda observer: observer)) is Observer


@pytest.mark.parametrize("rank", [None, "0"])
def test_the_first_process_reports_to_a_server_where_prefect_is_installed(
    health, monkeypatch, rank
):
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr("pipeline.observe.run_stage.use_server", None)
    with pytest.raises(TypeError, match="NoneType"):  # for it is called
        run_stage("train@shapes-full", lambda observer: observer)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert type(run_stage("train@shapes-full", lambda observer: observer)) is Observer


def test_without_a_server_prefect_is_not_imported(tmp_path):
    code = (
        "import sys; from pipeline.observe.run_stage import run_stage\n"
        "run_stage('cams@shapes', lambda observer: observer.map(abs, [-3, 4], 'shards'))\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'prefect'])"
    )
    known = {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": NOBODY, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=known
    )
    assert done.stdout == "[]\n"


def test_values_and_errors_of_a_stage_are_those_of_the_process():
    assert run_stage("cams@shapes", lambda observer: observer.stage) == "cams@shapes"
    with pytest.raises(ZeroDivisionError):
        run_stage("cams@shapes", lambda _: 1 / 0)


def test_the_line_after_an_error_in_a_progress_bar_is_one_of_its_own(capsys):
    with pytest.raises(ZeroDivisionError) as held:  # and with it the bar, as Python's hook does
        run_stage("cams@shapes", lambda observer: observer.map(lambda _: 1 / 0, [1, 2], "shards"))
    assert capsys.readouterr().err.endswith("\n")
    assert held.tb is not None


def test_tracked_parameters_are_those_that_dvc_lists():
    assert list(tracked_params("train@shapes-full", ROOT)) == ["train", "variants.full"]
    assert list(tracked_params("annotations@shapes", ROOT)) == ["annotations", "datasets.shapes"]
    assert tracked_params("cams@shapes", ROOT)["cams"]["scorer"]


def test_parameters_of_a_stage_for_each_dataset_and_variant_have_their_names(tmp_path):
    keys = ["a.${item}", "b.${item.dataset}", "c.${item.variant}", "d.${other}e"]
    described = {"stages": {"x": {"do": {"params": keys}}}}
    (tmp_path / "dvc.yaml").write_text(json.dumps(described))
    (tmp_path / "params.yaml").write_text("c: {full: 3}")
    found = tracked_params("x@shapes-full", tmp_path)
    assert found == {"a.shapes": None, "b.shapes": None, "c.full": 3, "d.e": None}


def test_a_stage_that_dvc_does_not_know_has_no_parameters(tmp_path):
    assert tracked_params("predict@shapes", ROOT) == {}
    assert tracked_params("cams@shapes", tmp_path) == {}


def test_a_value_is_read_as_yaml_1_2_and_there_is_none_below_it(tmp_path):
    listed = "stages: {cams: {params: [cams.scorer, cams.scorer.kind, cams.none, none.kind]}}"
    (tmp_path / "dvc.yaml").write_text(listed)
    (tmp_path / "params.yaml").write_text("cams: {scorer: no}")
    assert tracked_params("cams@shapes", tmp_path) == {
        "cams.scorer": "no",
        "cams.scorer.kind": None,
        "cams.none": None,
        "none.kind": None,
    }
