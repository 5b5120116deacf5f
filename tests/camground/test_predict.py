"""`camground predict`, as a person calls it, on a small project."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from PIL import Image

from camground.__main__ import main
from camground.predict import build_parser
from pipeline.params.schema import RuntimeParams
from pipeline.serving.phrase_grounder import PhraseGrounder
from tests.cached_world import ROOT
from tests.served_world import FILES, IMAGES, REG_RESULTS, RESULTS

NUM_PICTURES = 30


@pytest.fixture(autouse=True)
def _here(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["camground"])
    for name in ("c", "e"):
        shutil.copy(served / IMAGES / f"{name}.png", f"{name}.png")
    Path("bad.png").write_text("no picture")


@pytest.fixture
def ask(served, capfd):
    """Run the command; return its status and the rows on standard output."""

    def run(*arguments):
        status = main(["predict", str(served / RESULTS.folder), *arguments])
        return status, [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    return run


class Terminal(io.StringIO):
    """Says that a person looks at it."""

    def isatty(self):
        return True


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_picture_and_a_phrase_give_a_line_and_no_bar(ask, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    status, [row] = ask("c.png", "--phrase", "the red dog")
    assert sys.stderr.getvalue() == ""
    assert (status, row["image"], row["phrase"]) == (0, "c.png", "the red dog")
    x1, y1, x2, y2 = row["box_xyxy"]
    assert 0 <= x1 < x2 <= 83
    assert 0 <= y1 < y2 <= 61
    assert row["nouns"] == ["dog"]
    assert 0 < row["score"] <= 1
    assert 0 < row["confidence"] < 1


def test_a_sentence_is_taken_for_all_phrases(ask, served):
    sentence = "the dog and the dog"
    status, rows = ask(
        "e.png", "--phrase", "the dog", "--phrase", "the dog", "--sentence", sentence
    )
    found = PhraseGrounder.load(served / RESULTS.folder).ground(
        "e.png", ["the dog"] * 2, sentence=sentence
    )
    assert (status, [row["span"] for row in rows]) == (0, [[0, 7], [12, 19]])
    for row, one in zip(rows, found, strict=True):
        assert row["box_xyxy"] == pytest.approx(one.box_xyxy, abs=0.01)
        assert row["score"] == pytest.approx(one.score, abs=1e-6)
    assert abs(rows[0]["score"] - rows[1]["score"]) > 0.001  # the second dog is another one


def test_the_devices_are_those_of_the_params():
    names = get_args(get_type_hints(RuntimeParams)["device"])
    parse, asked = build_parser().parse_args, ["model", "c.png"]
    assert parse(asked).device is None
    assert [parse([*asked, "--device", name]).device for name in names] == [*names]


def test_a_bad_picture_and_a_bad_phrase_are_lines_among_the_others(ask):
    status, rows = ask("c.png", "bad.png", "none.png", "--phrase", "a dog", "--phrase", " ")
    assert status == 1
    assert [(row["image"], row["phrase"], "error" in row) for row in rows] == [
        ("c.png", "a dog", False),
        ("c.png", " ", True),
        ("bad.png", "a dog", True),
        ("bad.png", " ", True),
        ("none.png", "a dog", True),
        ("none.png", " ", True),
    ]


def test_why_and_answer_are_in_the_lines(ask):
    _, [row] = ask("e.png", "--phrase", "the dog", "--why", "--answer", "proposal")
    assert row["answer"] == "proposal"
    assert row["box_xyxy"] == row["candidates"][0]["box_xyxy"]
    assert row["score"] == row["candidates"][0]["probability"]


def test_a_list_is_answered_into_a_file_which_is_not_done_again(ask, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    lists = [{"image": "c.png", "phrase": "the cup"}, {"image": "e.png", "phrase": "the star"}]
    Path("asked.jsonl").write_text("\n".join(map(json.dumps, lists)))
    assert ask("asked.jsonl", "--out", "out.jsonl") == (0, [])
    assert "2/2" in sys.stderr.getvalue()
    assert [row["phrase"] for row in rows_of("out.jsonl")] == ["the cup", "the star"]
    before = Path("out.jsonl").read_bytes()
    Path("c.png").unlink()  # which any work would miss
    assert ask("asked.jsonl", "--out", "out.jsonl") == (0, [])
    assert Path("out.jsonl").read_bytes() == before


def test_a_phrase_twice_in_a_sentence_is_two_lines_which_are_not_done_again(ask):
    asked = {"image": "c.png", "sentence": "A dog hugs a dog.", "phrase": "a dog"}
    Path("asked.jsonl").write_text("\n".join(map(json.dumps, [asked, asked])))
    assert ask("asked.jsonl", "--out", "out.jsonl") == (0, [])
    rows = rows_of("out.jsonl")
    assert [row["span"] for row in rows] == [[0, 5], [11, 16]]
    assert rows[0]["score"] != rows[1]["score"]
    before = Path("out.jsonl").read_bytes()
    assert ask("asked.jsonl", "--out", "out.jsonl") == (0, [])
    assert Path("out.jsonl").read_bytes() == before


def test_a_line_that_is_missing_between_two_runs_is_what_it_was(ask):
    arguments = ("c.png", "e.png", "--phrase", "the dog", "--phrase", "the star", "--out", "out")
    assert ask(*arguments) == (0, [])
    whole = Path("out").read_bytes()
    Path("out").write_bytes(whole[:-7])  # within the second phrase of the second picture
    assert ask(*arguments) == (0, [])
    assert Path("out").read_bytes() == whole


def test_drawings_show_box_and_heat_map(ask):
    status, _ = ask("c.png", "bad.png", "--phrase", "the dog", "--draw", "drawn")
    assert status == 1
    [path] = Path("drawn").iterdir()
    before, after = (np.asarray(Image.open(name)) for name in ("c.png", path))
    assert path.name == "00001_c_the-dog.png"
    assert before.shape == after.shape
    assert (before != after).any(-1).mean() > 0.9


def test_drawings_into_a_file_are_one_error(served, capfd):
    model = str(served / RESULTS.folder)
    assert main(["predict", model, "c.png", "--phrase", "the dog", "--draw", "bad.png"]) == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith("error: bad.png/")


def write_pictures():
    """Write small pictures with a bright rectangle each, and one that is none."""
    Path("many").mkdir()
    rng = np.random.default_rng(0)
    for number in range(NUM_PICTURES):
        image = rng.integers(0, 99, (30, 40, 3), np.uint8)
        image[5:20, number % 20 : number % 20 + 9] = 220
        Image.fromarray(image).save(f"many/{number:03d}.png")
    Path("many/020.png").write_text("no picture")


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_writes_what_an_unbroken_one_does(served, capfd):
    write_pictures()
    shutil.copytree(served, "project")
    shutil.rmtree(Path("project") / FILES.weights / "detector")  # which is slow
    model = str(Path("project") / REG_RESULTS.folder)
    asked = ["predict", model, "many", "--phrase", "the dog", "--phrase", "the red cup"]
    assert main([*asked, "--out", "whole.jsonl"]) == 1
    out = Path("out.jsonl")
    command = [sys.executable, "-m", "camground", *asked, "--out", str(out)]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not out.exists() or out.read_bytes().count(b"\n") < 10:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed_at = out.read_bytes()
    assert 10 <= killed_at.count(b"\n") < 2 * NUM_PICTURES
    out.write_bytes(killed_at[:-7])  # as if the kill had come within a line
    assert main([*asked, "--out", str(out)]) == 1
    assert out.read_bytes() == Path("whole.jsonl").read_bytes()
    assert sum("error" in row for row in rows_of(out)) == 2
    assert not capfd.readouterr().out
