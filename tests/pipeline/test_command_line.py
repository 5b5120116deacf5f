import gc
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.command_line import note_seconds, read_seconds, stage_call
from pipeline.errors import InputError
from pipeline.images.images import BadImageError
from pipeline.params.read import read_params
from tests.conftest import ROOT


@pytest.fixture
def arguments(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def read(*words, doc="Stage `cams`.\n\nreads", **asked):
        monkeypatch.setattr(sys, "argv", ["stages.cams", *words])
        return stage_call(doc, **asked)

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


@pytest.mark.parametrize(
    ("words", "section"),
    [
        (("none",), "datasets"),
        (("none", "full"), "datasets"),
        (("shapes", "none"), "variants"),
        (("shapes", "full", "--trained_on", "none"), "datasets"),
    ],
)
def test_names_that_params_does_not_know_are_refused(arguments, words, section):
    with pytest.raises(InputError, match=rf"'none'.*`{section}`.*params\.yaml"):
        arguments(*words, variant=len(words) > 1, is_of_models=len(words) > 2)


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


def test_a_stage_may_add_arguments(arguments):
    call = arguments("shapes", "--to", "x", add=lambda parser: parser.add_argument("--to"))
    assert call.options.to == "x"


@pytest.mark.parametrize(("doc", "told"), [("What it is.\n\nreads it", "What it is."), (None, "")])
def test_its_help_begins_with_what_the_stage_is(arguments, doc, told, capsys):
    with pytest.raises(SystemExit) as stop:
        arguments("--help", doc=doc)
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert told in shown
    assert "reads it" not in shown


@pytest.mark.parametrize("words", [(), ("shapes", "full"), ("shapes", "--trained_on", "own")])
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


SIGHTS = """
import logging, mmap, resource
logging.getLogger("a.library").info("was here")
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(9):
    bytearray(2**26)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * mmap.PAGESIZE / 2**26)
raise ValueError("of the code")
"""


def test_a_mistake_of_the_code_is_a_traceback_and_exit_status_1():
    done = run_stage_that(SIGHTS)
    assert done.returncode == 1
    line = done.stderr.splitlines()[0]
    assert re.findall(r"INFO|a\.library|was here", line) == ["INFO", "a.library", "was here"]
    assert float(done.stdout) < 2 or sys.platform != "linux"  # freed memory is taken again
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
    assert (call.dataset, call.trained_on) == ("own", "shapes")
    assert call.files.noun_head == Path("data/shapes/noun_head")
    assert call.files.nouns == Path("data/own/nouns.h5")
    stages = []
    call.run("cams", lambda observer: stages.append(observer.stage))
    assert stages == ["target_cams@shapes-own"]
    monkeypatch.setattr(sys, "argv", ["x", "--trained_on", "no/name", "--dataset", "own"])
    with pytest.raises(InputError, match="no/name"):
        stage_call("Stage", is_of_models=True)
    assert arguments("shapes", is_of_models=True).trained_on == ""


def test_the_seconds_of_a_stage_are_kept_outside_its_outputs(arguments, monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("RANK", raising=False)
    arguments("shapes").run("cams", lambda _: None)
    assert list(read_seconds()) == ["cams@shapes"]
    arguments("shapes").run("annotations", lambda _: None)
    assert list(read_seconds()) == ["cams@shapes", "annotations@shapes"]  # as they ended
    assert 0 <= min(read_seconds().values()) <= max(read_seconds().values()) < 60
    monkeypatch.setenv("PIPELINE_PART", "0/2")  # has done a part of the work
    arguments("shapes").run("nouns", lambda _: None)
    monkeypatch.delenv("PIPELINE_PART")
    for rank in ("1", "0"):  # of processes that train together, the first notes
        monkeypatch.setenv("RANK", rank)
        arguments("shapes").run(f"train{rank}", lambda _: None)
    assert list(read_seconds()) == ["cams@shapes", "annotations@shapes", "train0@shapes"]
    note_seconds("cams@shapes", 12.34)
    note_seconds("annotations@shapes", 7)
    assert [*read_seconds().items()][1:] == [("cams@shapes", 12.3), ("annotations@shapes", 7.0)]


@pytest.mark.parametrize("text", ["", "null", "NaN", '"1"', "[" * 99_999])
def test_a_time_that_is_none_is_named(monkeypatch, tmp_path, text):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    file = tmp_path / ".work" / "seconds" / "cams@shapes" / "seconds.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(InputError, match=r"seconds\.json"):
        read_seconds()
