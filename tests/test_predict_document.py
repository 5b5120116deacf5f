"""docs/predict.md shows what there is."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from camground import Found, Grounder
from camground.commands import COMMANDS
from camground.predict import build_parser
from pipeline.serving.placed_phrases import place_phrases
from pipeline.serving.requests import read_requests
from pipeline.serving.rows import Request

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "predict.md").read_text("utf-8")


def test_every_option_of_predict_has_a_row():
    options = {text for one in build_parser()._actions for text in one.option_strings}
    rows = set(re.findall(r"^\| `(--\w+)", DOCUMENT, re.M))
    assert options - {"-h", "--help", "--phrase"} == rows


def test_every_part_of_a_result_has_a_row():
    shown = {field.name for field in fields(Found)} - {"phrase", "image_hw", "map_cells"}
    table = DOCUMENT.split("| of a result |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == shown | {"heat_map"}


def test_the_python_shown_calls_what_there_is():
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.S)
    compile(code, "docs/predict.md", "exec")
    assert callable(Grounder.load)
    assert len(code.split("\n\n")[1].splitlines()) == 2


def test_the_line_of_a_list_shown_is_one_that_is_read(tmp_path):
    [line] = re.findall(r'^\{"image": [^:]*: "[^"]*"\}$', DOCUMENT, re.M)
    (tmp_path / "asked.jsonl").write_text(line)
    [request] = read_requests([str(tmp_path / "asked.jsonl")], [])
    assert request == Request(str(tmp_path / "kitchen/0001.jpg"), "the red cup")


def test_the_line_with_a_sentence_shown_is_read_at_its_place(tmp_path):
    [line] = re.findall(r'^\{"image": .*"sentence": "[^"]*"\}$', DOCUMENT, re.M)
    (tmp_path / "asked.jsonl").write_text(line)
    [request] = read_requests([str(tmp_path / "asked.jsonl")], [])
    assert request.sentence[slice(*request.span)] == request.phrase == "a woman"


def test_the_phrases_shown_stand_in_the_sentence_shown():
    [call] = re.findall(r"^found = (model.ground\(.*sentence=.*\))$", DOCUMENT, re.M)
    shown = ast.parse(call, mode="eval").body
    phrases = ast.literal_eval(shown.args[1])
    [sentence] = [ast.literal_eval(one.value) for one in shown.keywords if one.arg == "sentence"]
    assert len(phrases) == 3
    assert None not in [one.span for one in place_phrases(phrases, sentence)]


@pytest.mark.parametrize("name", re.findall(r"^camground (\w+)", DOCUMENT, re.M))
def test_every_command_shown_is_there(name):
    assert name in COMMANDS
