import json
import os
from dataclasses import replace

import pytest

from pipeline.errors import InputError
from pipeline.serving.answer_file import open_answers
from pipeline.serving.rows import Kind, Request, error_row

KIND = Kind("shapes/full", "reg", with_why=False)
REQUESTS = [Request(f"{name}.png", "a dog") for name in "abc"]


def row_of(request):
    return error_row(request, "none", KIND) | {"error": request.image}


def add(path, *requests):
    with open_answers(path, KIND) as answers:
        answers.add({request: row_of(request) for request in requests})


def images(path):
    return [json.loads(line)["image"] for line in path.read_bytes().splitlines()]


def test_lines_are_on_the_disk_before_the_file_is_closed(tmp_path):
    path = tmp_path / "new" / "er" / "out.jsonl"
    with open_answers(path, KIND) as answers:
        answers.add({REQUESTS[0]: row_of(REQUESTS[0])})
        assert images(path) == ["a.png"]
        assert not answers.is_standard_output


def test_what_stands_there_is_known_and_not_written_again(tmp_path):
    path = tmp_path / "out.jsonl"
    add(path, *REQUESTS[:2])
    with open_answers(path, KIND) as answers:
        assert answers.done.keys() == set(REQUESTS[:2])
        for _ in range(2):
            answers.add({request: row_of(request) for request in REQUESTS})
        assert answers.done == {request: row_of(request) for request in REQUESTS}
    add(path, *REQUESTS)
    assert images(path) == ["a.png", "b.png", "c.png"]


def test_a_last_line_that_was_cut_off_is_dropped_at_any_byte(tmp_path):
    path = tmp_path / "out.jsonl"
    add(path, *REQUESTS)
    whole = path.read_bytes()
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        add(path, *REQUESTS)
        assert path.read_bytes() == whole


def test_standard_output_holds_nothing_yet(capfdbinary):
    with open_answers(None, KIND) as answers:
        assert (answers.done, answers.is_standard_output) == ({}, True)
        answers.add({REQUESTS[0]: row_of(REQUESTS[0])})
    assert json.loads(capfdbinary.readouterr().out)["image"] == "a.png"


@pytest.mark.parametrize(
    "line",
    [
        b"x\n",
        b"[]\n",
        b'{"image": "a"}\n',
        b"\xff\n",
        b'{"image": [], "phrase": "a", "model": "shapes/full", "answer": "reg"}\n',
        b'{"image": "a", "phrase": "a", "sentence": "a", "span": 3}\n',
    ],
)
def test_a_file_of_something_else_is_left_alone(tmp_path, line):
    path = tmp_path / "out.jsonl"
    path.write_bytes(line)
    with pytest.raises(InputError, match=r"out\.jsonl:1: "):
        add(path, REQUESTS[0])
    assert path.read_bytes() == line


@pytest.mark.parametrize("change", [{"model": "shapes/no_cam"}, {"answer": "refined"}])
def test_lines_of_another_model_or_answer_are_not_added_to(tmp_path, change):
    path = tmp_path / "out.jsonl"
    add(path, REQUESTS[0])
    with (
        pytest.raises(InputError, match="name another file"),
        open_answers(path, replace(KIND, **change)),
    ):
        pass


@pytest.mark.parametrize("model", [[["deep"] * 400] * 400, "m" * 100_000, {"a": {"b": [1] * 999}}])
def test_what_a_foreign_line_names_is_cut_short(tmp_path, model):
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps(row_of(REQUESTS[0]) | {"model": model}) + "\n")
    with pytest.raises(InputError) as caught:
        add(path, REQUESTS[1])
    assert len(str(caught.value)) < 1000


def test_lines_with_and_without_why_do_not_mix(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps(row_of(REQUESTS[0]) | {"candidates": []}).replace("error", "x"))
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match="with_why"):
        add(path, REQUESTS[1])


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        add(tmp_path, REQUESTS[0])


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "out.jsonl")
    with pytest.raises(InputError, match=r"out\.jsonl: cannot be written"):
        add(tmp_path / "out.jsonl", REQUESTS[0])


@pytest.mark.parametrize("image", ["[1]", "{}"])
def test_a_line_about_what_is_no_name_is_none_of_ours(tmp_path, image):
    line = f'{{"image": {image}, "phrase": "a", "model": "m", "answer": "reg", "error": "x"}}'
    (tmp_path / "out.jsonl").write_text(line + "\n")
    with (
        pytest.raises(InputError, match=r"out\.jsonl:1"),
        open_answers(tmp_path / "out.jsonl", Kind("m", "reg", False)),
    ):
        pass
