import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.doctor.__main__ import _check_names, check_all, check_run, parts_asked_for
from pipeline.doctor.findings import Level
from pipeline.params.read import PARAMS_FILE, read_params
from tests.conftest import ROOT

PARAMS = read_params(ROOT / PARAMS_FILE)


def levels(findings):
    return [finding.level for finding in findings]


def test_the_drawn_world_needs_nothing_wherever_one_stands(project, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    found = [*check_all(project)]
    assert Level.MISSING not in levels(found)
    told = [one.what.partition(":")[0] for one in found]
    assert told[:3] == ["params.yaml", "datasets.shapes", "weights.shapes"]
    assert told[-1] == "unfinished work"


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has a GPU")
def test_a_gpu_is_missing_where_params_yaml_asks_for_one(project):
    text = (project / PARAMS_FILE).read_text()
    (project / PARAMS_FILE).write_text(text.replace("device: auto", "device: cuda"))
    (found,) = (one for one in check_all(project) if one.level is Level.MISSING)
    assert "runtime.device" in found.what


def test_datasets_that_a_model_is_only_asked_about_are_looked_for_too():
    run = replace(PARAMS.run, targets=("refcoco",))
    keys = {one.what.partition(":")[0] for one in check_run(replace(PARAMS, run=run))}
    assert {"datasets.shapes", "datasets.refcoco.root", "datasets.refcoco.images"} <= keys


def test_what_dvc_left_half_written_is_found(project):
    (project / ".dvc" / "tmp").mkdir()
    (project / ".dvc" / "tmp" / "rwlock").write_text("")
    assert [one for one in check_all(project) if "rwlock" in one.what]


def test_given_proposals_are_looked_for_where_they_are_asked_for(project):
    text = (project / PARAMS_FILE).read_text()
    (project / PARAMS_FILE).write_text(text.replace("source: detector  ", "source: given  "))
    given = list(check_run(read_params(project / PARAMS_FILE)))
    (project / PARAMS_FILE).write_text(text)
    assert len(given) == len(list(check_run(read_params(project / PARAMS_FILE)))) + 1


def test_parts_are_asked_for_by_the_scorer_and_by_the_variants_that_are_run():
    assert parts_asked_for(PARAMS) == {}
    by_sense = {"labels.similarity": "wordnet"}
    variants = {**PARAMS.variants, "by_sense": by_sense, "by_text": {"labels.similarity": "text"}}
    asked = replace(PARAMS, cams=replace(PARAMS.cams, scorer="clip"), variants=variants)
    assert list(parts_asked_for(asked)) == ["clip"]
    assert parts_asked_for(asked)["clip"].startswith("cams.scorer ")
    assert levels(check_run(asked)) == [Level.OK, Level.OK, Level.MISSING]
    assert [*check_run(asked)][2].what.startswith("weights.shapes.clip: ")
    photographs = PARAMS.weights["photographs"]
    named = replace(photographs, clip=replace(photographs.clip, path="c"))
    found = [*check_run(replace(asked, weights={**PARAMS.weights, "shapes": named}))]
    told = {one.what.partition(":")[0]: one.level for one in found[-1:]}
    assert told == {"weights.shapes.clip": Level.OK}
    run = replace(PARAMS.run, variants=("full", "by_sense", "by_text"))
    assert list(parts_asked_for(replace(asked, run=run))) == ["clip", "wordnet", "language"]


@pytest.mark.parametrize(("asked", "status"), [("[shapes]", 0), ("[refcoco]", 1)])
def test_the_command_ends_with_its_status_and_imports_nothing_heavy(project, asked, status):
    text = (project / PARAMS_FILE).read_text().replace("datasets: [shapes]", f"datasets: {asked}")
    (project / PARAMS_FILE).write_text(text)
    told = "import sys; sys.argv=['doctor']; import pipeline.doctor.__main__ as d\n"
    told += "try: d.main()\nfinally: print({'torch', 'mmdet', 'prefect', 'dvc'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", told],
        cwd=project,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.endswith("set()\n")
    assert ("datasets.refcoco.root" in done.stdout) == bool(status)
    assert ("weights.photographs.classifier.path" in done.stdout) == bool(status)


def test_a_wrong_params_file_is_one_finding_and_the_machine_is_still_checked(project):
    (project / PARAMS_FILE).write_text("run: {datasets: [shapes]}")
    first, *others = check_all(project)
    assert first.level is Level.MISSING
    assert first.what.startswith("params.yaml: ")
    assert len(others) >= 6


def test_a_key_that_dvc_forgets_is_found_wherever_it_stands():
    found = _check_names({"a": [{"b": {"size": 3}}], "nfiles": 2})
    assert found.level is Level.MISSING
    assert all(name in found.what for name in ("nfiles", "size"))
    assert _check_names({"a": [{"b": {"sizes": 3}}]}).level is Level.OK
