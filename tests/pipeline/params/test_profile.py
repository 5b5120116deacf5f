import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from pipeline.params.profile import (
    apply_values,
    expand_environment,
    leaves,
    main,
    parse_assignment,
    read_values,
    set_value,
)
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.params.reader import ParamsError
from tests.conftest import ROOT
from tests.faults.full_disk import full_disk


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
    assert list(leaves({"a": {"b": {}}, "c": {}, 3: None})) == [("a.b", {}), ("c", {}), ("3", None)]


def test_an_assignment_is_read_as_yaml():
    assert parse_assignment("run.variants=[full, no_cam]") == ("run.variants", ["full", "no_cam"])
    assert parse_assignment("a.b=c=d") == ("a.b", "c=d")


def test_an_assignment_without_a_value_is_refused():
    for text in ("train.epochs", "=3"):
        with pytest.raises(ParamsError, match="KEY=VALUE"):
            parse_assignment(text)


def test_a_value_is_set_and_every_other_line_stays(params_file):
    before, epochs = params_file.read_text(encoding="utf-8"), read_params(params_file).train.epochs
    apply_values(params_file, [("train.epochs", 977)])
    assert read_params(params_file).train.epochs == 977
    apply_values(params_file, [("train.epochs", epochs)])
    after = params_file.read_text(encoding="utf-8")
    assert after.split() == before.split()  # some comments are on lines of their own now
    assert max(map(len, after.splitlines())) == max(map(len, before.splitlines()))


def test_a_long_text_stays_in_one_line(params_file):
    prompt = "a photo of {}, " + "far away " * 40 + "at last"
    apply_values(params_file, [("cams.clip.prompt", prompt)])
    assert any(prompt in line for line in params_file.read_text(encoding="utf-8").splitlines())


def test_a_file_that_does_not_fit_the_disk_is_left_as_it_was(params_file):
    before = params_file.read_bytes()
    with full_disk(1000), pytest.raises(ParamsError, match=r"params\.yaml: .*file too large"):
        apply_values(params_file, [("train.epochs", 3)])
    assert params_file.read_bytes() == before
    assert [path.name for path in params_file.parent.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(("value", "text"), [(1e-5, "0.00001"), (2.0, "2.0")])
def test_a_number_is_written_without_exponent_and_with_a_digit_behind_its_point(
    params_file, value, text
):
    apply_values(params_file, [("train.weight_decay", value)])
    assert re.search(rf"weight_decay: {text}\b", params_file.read_text(encoding="utf-8"))
    assert read_params(params_file).train.weight_decay == value


def test_a_key_that_no_stage_knows_leaves_the_file_as_it_was(params_file):
    before = params_file.read_bytes()
    with pytest.raises(ParamsError, match=r"train\.epoch\b"):
        apply_values(params_file, [("train.epoch", 3)])
    assert params_file.read_bytes() == before
    assert [path.name for path in params_file.parent.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("names", [["flickr30k"], ["default"], ["default", "paper"], ["tables"]])
def test_every_profile_fits_the_parameters(names, tmp_path, monkeypatch, capsys):
    profiles = [str(ROOT / "profiles" / f"{name}.yaml") for name in names]
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REAL", "/somewhere")
    main([*profiles, "train.epochs=77"])
    params = read_params()
    assert params.train.epochs == 77
    assert "train.epochs = 77" in capsys.readouterr().out.splitlines()
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


def test_a_params_file_with_a_key_twice_is_refused_and_left(params_file):
    text = params_file.read_text(encoding="utf-8") + "report: {pictures: 1, seed: 0}\n"
    params_file.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r'params\.yaml: .*"report"'):
        apply_values(params_file, [("train.epochs", 3)])
    assert params_file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["train.epochs=[1", "a.b={c: 1, c: 2}", "a.b=2026-02-31", "a=\t["])
def test_an_assignment_that_is_not_yaml_is_refused_by_its_key(text):
    with pytest.raises(ParamsError, match=text.partition("=")[0]):
        parse_assignment(text)


@pytest.mark.parametrize("text", ["run: &a {datasets: *a}", "run: {datasets: [a], datasets: [b]}"])
def test_a_profile_that_holds_itself_or_a_key_twice_is_refused(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(SystemExit) as stopped:
        main(["mine.yaml"])
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: mine.yaml: ")
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize(
    "names",
    [[], ["flickr30k"], ["default"], ["default", "paper"], ["flickr30k", "default"], ["tables"]],
)
def test_an_override_of_a_dvc_experiment_changes_its_key_alone(params_file, monkeypatch, names):
    monkeypatch.setenv("REAL", "/somewhere")
    for name in names:
        apply_values(params_file, read_values(str(ROOT / "profiles" / f"{name}.yaml")))
    before = read_params(params_file)
    apply_overrides(str(params_file), ["train.epochs=13", "train.weight_decay=0.00002"])
    train = replace(before.train, epochs=13, weight_decay=0.00002)
    assert read_params(params_file) == replace(before, train=train)
    apply_overrides(str(params_file), [f"train.epochs={before.train.epochs}"])
    apply_overrides(str(params_file), [f"train.weight_decay={before.train.weight_decay}"])
    assert read_params(params_file) == before


def test_a_list_may_be_filled_and_emptied_again_and_its_comment_stays(params_file):
    before = params_file.read_text(encoding="utf-8").splitlines()[:40]
    apply_values(params_file, [("run.targets", ["own"]), ("train.windows", [])])
    assert read_params(params_file).run.targets == ("own",)
    apply_values(params_file, [("run.targets", []), ("train.windows", [[0, 0, 1, 1]])])
    assert read_params(params_file) == read_params(ROOT / PARAMS_FILE)
    assert params_file.read_text(encoding="utf-8").splitlines()[:40] == before


def test_a_number_has_no_keys_below_it():
    with pytest.raises(ParamsError, match=r"train\.epochs\.x"):
        set_value({"train": {"epochs": 3}}, "train.epochs.x", 1)
    with pytest.raises(ParamsError, match=r"train\.epochs\.x\.y"):
        set_value({"train": {"epochs": 3}}, "train.epochs.x.y", 1)
