import json
import os
import shutil
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.params.read import read_params
from pipeline.serving.model_folder import (
    PACKED_FILE,
    file_hashes,
    find_parts,
    model_name,
    newest_model,
)
from pipeline.serving.settings import settings_of
from tests.cached_world import ROOT


def make_model(root, name, seconds=0):
    folder = root / "results" / name / "model"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    os.utime(folder / "spec.json", (seconds, seconds))


@pytest.fixture
def project(tmp_path):
    """A project with two models, of which there is nothing but the places."""
    make_model(tmp_path, "shapes/full", 100)
    make_model(tmp_path, "own/no_cam", 200)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("given", ["results/shapes/full", "results/shapes/full/model"])
def test_the_parts_of_a_result_lie_in_its_project_wherever_that_is(project, given):
    parts = find_parts(project / given)
    assert parts.model == project / "results/shapes/full/model"
    assert parts.weights == project / "data/shapes/weights"
    assert parts.noun_head == project / "data/shapes/noun_head"
    assert parts.calibration == project / "results/shapes/full/calibration.json"
    assert parts.settings == settings_of(read_params(project / "params.yaml"))
    assert model_name(project / given) == "shapes/full"


def test_a_path_from_the_project_s_folder_does(project, monkeypatch):
    monkeypatch.chdir(project / "results" / "own")
    assert find_parts(Path("no_cam")).model == project / "results/own/no_cam/model"


@pytest.mark.parametrize("given", ["results/shapes/none", "results", "data/shapes/full", ".", "/"])
def test_a_folder_without_a_model_is_named(project, given):
    with pytest.raises(InputError, match="model"):
        find_parts(project / given)


def test_the_newest_model_is_the_one_written_last(project):
    assert newest_model(project) == project / "results/own/no_cam"
    with pytest.raises(InputError, match="results"):
        newest_model(project / "results")


@pytest.fixture
def packed(tmp_path):
    """A packed folder whose parts are empty files."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "spec.json").write_text("x")
    (tmp_path / "README.md").write_text("y")
    cams = {"scorer": "nounhead", "layer": "", "backend": "auto", "image_px": 96}
    boxes = {"max_boxes": 5, "score_floor": 0.1, "nms_iou": 0.5, "nms": "per_class"}
    clip = {"prompt": "a {}", "backgrounds": ["sky", "sea"]}
    content = {
        "format": 1,
        "dataset": "shapes",
        "variant": "full",
        "settings": {"context_nouns": 2, "proposals": boxes, "cams": cams | {"clip": clip}},
        "files": file_hashes(tmp_path),
    }
    (tmp_path / PACKED_FILE).write_text(json.dumps(content))
    (tmp_path / ".hidden").touch()
    return tmp_path


def test_a_packed_folder_needs_nothing_beside_it(packed):
    parts = find_parts(packed)
    assert (parts.model, parts.weights) == (packed / "model", packed / "weights")
    assert parts.noun_head == packed / "noun_head"
    assert parts.calibration == packed / "calibration.json"
    assert parts.device == "auto"
    assert parts.settings.context_nouns == 2
    assert parts.settings.cams.clip.backgrounds == ("sky", "sea")
    assert model_name(packed) == "shapes/full"


def test_hashes_are_those_of_sha256sum(packed):
    x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert file_hashes(packed)["model/spec.json"] == x


def change_a_file(folder):
    (folder / "model" / "spec.json").write_text("z")


def remove_a_file(folder):
    (folder / "model" / "spec.json").unlink()


def add_files(folder):
    for number in range(9, 0, -1):
        (folder / "model" / f"new{number}.py").touch()


@pytest.mark.parametrize("change", [change_a_file, remove_a_file, add_files])
def test_a_folder_that_is_not_what_was_packed_is_refused(packed, change):
    change(packed)
    with pytest.raises(InputError, match=r"model/(spec\.json|new1\.py): ") as refused:
        find_parts(packed)
    assert (PACKED_FILE in str(refused.value)) == (change is add_files)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 2}'])
def test_a_list_of_files_of_another_kind_is_refused(packed, text):
    (packed / PACKED_FILE).write_text(text)
    with pytest.raises(InputError, match=r"camground\.json"):
        find_parts(packed)


def test_a_setting_that_cannot_be_is_refused(packed):
    content = json.loads((packed / PACKED_FILE).read_text())
    content["settings"]["proposals"]["max_boxes"] = -1
    (packed / PACKED_FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match="max_boxes"):
        find_parts(packed)


@pytest.mark.parametrize(
    ("key", "value"),
    [("files", [1]), ("files", {"a": 1}), ("files", {"a": []}), ("dataset", 3), ("variant", None)],
)
def test_packed_names_and_hashes_are_texts(packed, key, value):
    content = json.loads((packed / PACKED_FILE).read_text())
    (packed / PACKED_FILE).write_text(json.dumps({**content, key: value}))
    with pytest.raises(InputError, match=PACKED_FILE):
        find_parts(packed)
