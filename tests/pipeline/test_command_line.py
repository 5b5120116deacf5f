import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.command_line import read_seconds, stage_call
from pipeline.errors import InputError
from pipeline.images.images import BadImageError
from pipeline.params.read import read_params
from tests.conftest import ROOT


@pytest.fixture
def arguments(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def read(*words, variant=False):
        monkeypatch.setattr(sys, "argv", ["stages.cams", *words])
        return stage_call("Stage `cams`.\n\nreads", variant=variant)

    return read


def test_a_stage_reads_its_dataset_and_searches_for_garbage_from_then_on(arguments):
    gc.disable()
    call = arguments("shapes")
    assert gc.isenabled()
    assert (call.dataset, call.variant, call.params) == ("shapes", "", read_params())
    assert call.files.folder == Path("data/shapes")
    assert call.image_folder == Path("data/shapes/annotations/images")


def test_a_stage_of_variants_reads_both(arguments):
    call = arguments("shapes", "full", variant=True)
    assert (call.dataset, call.variant) == ("shapes", "full")
    assert call.results.folder == Path("results/shapes/full")


@pytest.mark.parametrize(
    ("words", "stage"), [(("shapes",), "cams@shapes"), (("shapes", "full"), "cams@shapes-full")]
)
def test_a_stage_is_observed_under_the_name_it_has_in_the_graph(
    arguments, words, stage, monkeypatch
):
    monkeypatch.setenv("RANK", "1")  # of several processes this one asks no server
    stages = []
    arguments(*words, variant=len(words) == 2).run("cams", lambda it: stages.append(it.stage))
    assert stages == [stage]


@pytest.mark.parametrize("words", [("none",), ("none", "full"), ("shapes", "none")])
def test_names_that_params_does_not_know_are_refused(arguments, words):
    with pytest.raises(InputError, match=r"'none' is no key of `.*` in params.yaml"):
        arguments(*words, variant=len(words) == 2)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("--dataset", "no/name", "--variant", "full"), "datasets"),
        (("--dataset", "shapes", "--variant", "no/name"), "variants"),
    ],
)
def test_what_is_no_name_is_refused_with_the_key_it_comes_from(arguments, words, key):
    with pytest.raises(InputError, match=rf"^run\.{key}: 'no/name'"):
        arguments(*words, variant=True)


@pytest.mark.parametrize("words", [(), ("shapes", "full")])
def test_a_wrong_number_of_words_shows_the_usage(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        arguments(*words)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def run_stage_that(raises):
    script = (
        "from pipeline.command_line import stage_call\n"
        "from pipeline.images.images import BadImageError\n"
        f"stage_call('Doc.')\n{raises}"
    )
    command = [sys.executable, "-c", script, "shapes"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_persons_mistake_is_one_line_and_exit_status_1():
    done = run_stage_that("raise BadImageError('a.jpg: cannot be read:\\n  cut')")
    assert done.returncode == 1
    assert done.stderr == "error: a.jpg: cannot be read: cut\n"


def test_a_mistake_of_the_code_is_a_traceback_and_exit_status_1():
    done = run_stage_that("raise ValueError('of the code')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ValueError: of the code" in done.stderr


def test_ctrl_c_is_a_word_and_the_signal_is_passed_on():
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # not so in the background
    done = run_stage_that(f"import signal; {heard}; signal.raise_signal(signal.SIGINT)")
    assert done.returncode == -signal.SIGINT
    assert done.stderr == "stopped\n"


def test_every_named_error_is_an_input_error():
    assert issubclass(BadImageError, InputError)
    assert issubclass(InputError, ValueError)


def test_a_model_of_another_dataset_is_asked_under_its_name(arguments, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(sys, "argv", ["x", "--trained_on", "shapes", "--dataset", "own"])
    call = stage_call("Stage", is_of_models=True)
    assert call.files.noun_head == Path("data/shapes/noun_head")
    assert call.files.nouns == Path("data/own/nouns.h5")
    stages = []
    call.run("cams", lambda observer: stages.append(observer.stage))
    assert stages == ["target_cams@shapes-own"]
    monkeypatch.setattr(sys, "argv", ["x", "--trained_on", "no/name", "--dataset", "own"])
    with pytest.raises(InputError, match="no/name"):
        stage_call("Stage", is_of_models=True)


def test_the_seconds_of_a_stage_are_kept_outside_its_outputs(arguments, monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("RANK", raising=False)
    arguments("shapes").run("cams", lambda _: None)
    assert list(read_seconds()) == ["cams@shapes"]
    arguments("shapes").run("annotations", lambda _: None)
    assert list(read_seconds()) == ["cams@shapes", "annotations@shapes"]  # as they ended
    monkeypatch.setenv("PIPELINE_PART", "0/2")  # has done a part of the work
    arguments("shapes").run("nouns", lambda _: None)
    assert list(read_seconds()) == ["cams@shapes", "annotations@shapes"]


@pytest.mark.parametrize("text", ["", "null", "NaN", '"1"', "[" * 99_999])
def test_a_time_that_is_none_is_named(monkeypatch, tmp_path, text):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    file = tmp_path / ".work" / "seconds" / "cams@shapes" / "seconds.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(InputError, match=r"seconds\.json"):
        read_seconds()
