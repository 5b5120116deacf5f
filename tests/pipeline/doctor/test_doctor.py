import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from pipeline.doctor.__main__ import _check_names, check_all, check_run
from pipeline.doctor.findings import Level, missing, ok, warning
from pipeline.doctor.inputs import NEEDED, check_clip, check_dataset, check_given, check_weights
from pipeline.doctor.machine import check_machine
from pipeline.params.datasets import DatasetSection
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.params.schema import GivenProposals
from tests.conftest import ROOT

PARAMS = read_params(ROOT / PARAMS_FILE)
PHOTOGRAPHS = PARAMS.weights["photographs"]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project of its own: git, DVC's folder, params.yaml; no caches of hubs, no Prefect."""
    monkeypatch.chdir(tmp_path)
    for name in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("DVC_ROOT", "HF_HUB_CACHE", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    subprocess.run(["git", "init", "--quiet"], check=True)
    (tmp_path / ".dvc" / "cache").mkdir(parents=True)
    (tmp_path / PARAMS_FILE).write_text((ROOT / PARAMS_FILE).read_text("utf-8"), "utf-8")
    return tmp_path


def machine(root, device="auto"):
    """Return the finding on each subject."""
    return {finding.what.split(":")[0]: finding for finding in check_machine(root, device)}


def levels(findings):
    return [finding.level for finding in findings]


def test_the_drawn_world_needs_nothing(project):
    assert Level.MISSING not in levels(check_all(project))


def test_a_finding_stands_above_its_remedy():
    assert str(missing("x: gone", "bring it")) == "missing  x: gone\n         -> bring it"
    assert str(ok("y")) == "ok       y"


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
    assert "is called nfiles and one size" in found.what
    assert _check_names({"a": [{"b": {"sizes": 3}}]}).level is Level.OK


@pytest.mark.parametrize(
    ("dataset", "files"),
    [
        ("flickr30k", ("Annotations/1.xml", "Sentences/1.txt", "train.txt")),
        ("refcoco", ("refs(unc).p", "instances.json")),
        ("refcoco", ("refcoco/refs(unc).p", "refcoco/instances.json")),
        ("own", ("train.jsonl",)),
    ],
)
def test_a_dataset_is_there_when_its_files_and_pictures_are(project, dataset, files):
    section = replace(PARAMS.datasets[dataset], root="here", images="pictures")
    assert levels(check_dataset(dataset, section)) == [Level.MISSING, Level.MISSING]
    for name in (*files[1:], "../pictures/1.jpg"):
        (project / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "here" / name).touch()
    assert levels(check_dataset(dataset, section)) == [Level.MISSING, Level.OK]
    (project / "here" / files[0]).parent.mkdir(parents=True, exist_ok=True)
    (project / "here" / files[0]).touch()
    assert levels(check_dataset(dataset, section)) == [Level.OK, Level.OK]


def test_every_format_has_files_that_it_needs():
    kinds = get_args(DatasetSection)
    formats = {name for kind in kinds for name in get_args(get_type_hints(kind)["format"])}
    assert formats == {*NEEDED, "shapes"}


def with_part(name, **changes):
    return replace(PHOTOGRAPHS, **{name: replace(getattr(PHOTOGRAPHS, name), **changes)})


def finding_on(section, part):
    found = {
        finding.what.split(":")[0]: finding
        for finding in check_weights("mine", section, "weights.mine")
    }
    return next(finding for key, finding in found.items() if key.startswith(f"weights.mine.{part}"))


def test_weights_that_cannot_be_fetched_name_part_hub_and_remedy():
    found = finding_on(PHOTOGRAPHS, "classifier")
    assert found.level is Level.MISSING
    assert "ResNet50_Weights.IMAGENET1K_V1 is not here, and https://download.pytorch" in found.what
    assert "weights.mine.classifier.path" in found.remedy


def test_weights_at_a_path_are_there_once_they_look_like_weights(project):
    section = with_part("classifier", path="c.pth")
    assert "c.pth does not exist" in finding_on(section, "classifier").what
    (project / "c.pth").write_text("<html>")
    assert "is a web page" in finding_on(section, "classifier").what
    (project / "c.pth").write_bytes(b"PK\x03\x04")
    assert finding_on(section, "classifier").level is Level.OK


def test_the_vocabulary_of_the_visual_genome_detector_is_needed(project):
    section = with_part("detector", path="d.pth", vocabulary="objects_vocab.txt")
    (project / "d.pth").write_bytes(b"PK\x03\x04")
    found = finding_on(section, "detector")
    assert (found.level, "objects_vocab.txt" in found.what) == (Level.MISSING, True)
    (project / "objects_vocab.txt").touch()
    assert finding_on(section, "detector").level is Level.OK


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ("classifier", "TORCH_HOME/hub/checkpoints/resnet50-0676ba61.pth"),
        (
            "language",
            "HF_HOME/hub/models--google-bert--bert-base-uncased/snapshots/1/model.safetensors",
        ),
        ("tagger", ".work/weights/hub/stanza-combined_charlm/en/pos/combined_charlm.pt"),
    ],
)
def test_what_a_hub_gave_before_is_there(project, part, file):
    assert finding_on(PHOTOGRAPHS, part).level is Level.MISSING
    (project / file).parent.mkdir(parents=True)
    (project / file).touch()
    assert finding_on(PHOTOGRAPHS, part).level is Level.OK


def test_weights_that_were_converted_need_no_source(project):
    manifest = project / "data" / "mine" / "weights" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.touch()
    assert levels(check_weights("mine", PHOTOGRAPHS, "weights.mine")) == [Level.OK]


def test_a_clip_is_missing_only_where_it_is_asked_for_and_not_named():
    assert check_clip(PHOTOGRAPHS, "weights.mine").level is Level.MISSING
    assert check_clip(PARAMS.weights["shapes"], "weights.shapes").level is Level.MISSING
    assert check_clip(with_part("clip", path="clip"), "weights.mine").level is Level.OK
    asked = replace(PARAMS, cams=replace(PARAMS.cams, scorer="clip"))
    assert levels(check_run(asked)) == [Level.OK, Level.OK, Level.MISSING]


def test_given_proposals_are_looked_for_by_the_dataset_s_name(project):
    given = GivenProposals("boxes/{dataset}.tsv", "", "", "", 0, 0.0)
    found = check_given("mine", given)
    assert (found.level, "boxes/mine.tsv" in found.what) == (Level.MISSING, True)
    (project / "boxes").mkdir()
    (project / "boxes" / "mine.tsv").touch()
    assert check_given("mine", given).level is Level.OK


@pytest.mark.parametrize(
    ("least", "enough", "level"),
    [(0, 0, Level.OK), (0, 10**9, Level.WARNING), (10**9, 10**9, Level.MISSING)],
)
def test_a_full_disk_and_an_almost_full_one_are_told(project, monkeypatch, least, enough, level):
    monkeypatch.setattr("pipeline.doctor.machine.LEAST_FREE_GB", least)
    monkeypatch.setattr("pipeline.doctor.machine.ENOUGH_FREE_GB", enough)
    assert machine(project)["disk"].level is level


def test_a_package_that_is_not_installed_is_missing(project, monkeypatch):
    monkeypatch.setattr("pipeline.doctor.machine.PACKAGES", ("yaml", "no_such_package"))
    assert machine(project)["packages"].what == "packages: no no_such_package"


def test_git_wants_a_repository_and_an_identity(project):
    assert machine(project)["git"].level is Level.WARNING
    for key in ("user.name", "user.email"):
        subprocess.run(["git", "config", key, "somebody"], check=True)
    assert machine(project)["git"].level is Level.OK
    subprocess.run(["rm", "-rf", ".git"], check=True)
    assert machine(project)["git"].level is Level.MISSING


def test_links_of_dvc_s_cache_are_what_works_first(project):
    (project / ".dvc" / "config").write_text("[cache]\n    type = copy\n")
    assert machine(project)["dvc"].level is Level.WARNING
    (project / ".dvc" / "config.local").write_text('[cache]\n    type = "hardlink,copy"\n')
    assert "hardlinks" in machine(project)["dvc"].what
    (project / ".dvc" / "config.local").write_text("[cache]\n    type = symlink\n")
    assert "symlinks" in machine(project)["dvc"].what
    subprocess.run(["rm", "-rf", ".dvc"], check=True)
    assert machine(project)["dvc"].level is Level.MISSING


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has a GPU")
def test_a_gpu_is_needed_where_it_is_asked_for(project):
    assert machine(project, "auto")["gpu"].level is Level.WARNING
    assert machine(project, "cuda")["gpu"].level is Level.MISSING


def test_a_prefect_server_that_is_configured_must_answer(project, monkeypatch):
    assert machine(project)["prefect"] == ok(
        "prefect: no server configured; stages run without one"
    )
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert machine(project)["prefect"] == warning(
        "prefect: http://127.0.0.1:9/api does not answer; stages run unobserved",
        "`make ui` starts a server on this machine; or unset PREFECT_API_URL",
    )
