from pathlib import Path

import pytest
import yaml

from pipeline.params.profile import apply_values, expand_environment, leaves, main, parse_assignment
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.params.reader import ParamsError
from tests.conftest import ROOT


@pytest.fixture
def params_file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS_FILE.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_variable_is_replaced_wherever_a_text_stands():
    value = {"a": ["${HERE}/x", 3], "b": {"c": "${HERE}"}}
    assert expand_environment(value, {"HERE": "/d ä"}) == {"a": ["/d ä/x", 3], "b": {"c": "/d ä"}}


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ParamsError, match=r"\bREAL\b"):
        expand_environment("${REAL}/flickr30k", {})


def test_leaves_are_dotted_and_lists_stay_whole():
    overlay = {"run": {"datasets": ["a", "b"]}, "train": {"model": {"heads": 2}}}
    assert list(leaves(overlay)) == [("run.datasets", ["a", "b"]), ("train.model.heads", 2)]


def test_an_assignment_is_read_as_yaml():
    assert parse_assignment("run.variants=[full, no_cam]") == ("run.variants", ["full", "no_cam"])
    assert parse_assignment("a.b=c=d") == ("a.b", "c=d")


def test_an_assignment_without_a_value_is_refused():
    with pytest.raises(ParamsError, match="KEY=VALUE"):
        parse_assignment("train.epochs")


def test_a_value_is_set_and_every_comment_stays(params_file):
    before = params_file.read_text(encoding="utf-8")
    apply_values(params_file, [("train.epochs", 3)])
    after = params_file.read_text(encoding="utf-8")
    assert read_params(params_file).train.epochs == 3
    assert after.count("#") == before.count("#")


def test_a_key_that_no_stage_knows_leaves_the_file_as_it_was(params_file):
    before = params_file.read_bytes()
    with pytest.raises(ParamsError, match=r"train\.epoch\b"):
        apply_values(params_file, [("train.epoch", 3)])
    assert params_file.read_bytes() == before
    assert [path.name for path in params_file.parent.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("names", [["flickr30k"], ["default"], ["default", "paper"], ["tables"]])
def test_every_profile_fits_the_parameters(names, tmp_path, monkeypatch):
    profiles = [str(ROOT / "profiles" / f"{name}.yaml") for name in names]
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REAL", "/somewhere")
    main([*profiles, "train.epochs=77"])
    params = read_params()
    assert params.train.epochs == 77
    expected = dict(leaves(yaml.safe_load(Path(profiles[-1]).read_text(encoding="utf-8"))))
    assert params.train.image_px == expected["train.image_px"]


def test_an_unknown_section_is_named(params_file):
    with pytest.raises(ParamsError, match=r"trian\.epochs"):
        apply_values(params_file, [("trian.epochs", 3)])


def test_the_papers_preset_says_the_same_after_any_datasets_profile(params_file):
    overlays = {
        name: list(leaves(yaml.safe_load((ROOT / "profiles" / f"{name}.yaml").read_text())))
        for name in ("flickr30k", "default", "paper")
    }
    apply_values(params_file, overlays["default"] + overlays["paper"])
    alone = read_params(params_file)
    values = expand_environment(dict(overlays["flickr30k"]), {"REAL": "/r"})
    apply_values(params_file, list(values.items()) + overlays["default"] + overlays["paper"])
    after = read_params(params_file)
    assert after.run.datasets == ("flickr30k",)
    assert after.train == alone.train
