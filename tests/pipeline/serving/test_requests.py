import json
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.exporting.lists import json_rows
from pipeline.serving.requests import read_requests
from pipeline.serving.rows import Request
from tests.pipeline.exporting.boxes import BOXES


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos/b.JPG", "photos/a/z.png", "photos/notes.txt", "photos/._b.JPG"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def write_list(*rows):
    Path("lists").mkdir()
    text = "\n\n".join(json.dumps(row) if isinstance(row, dict) else row for row in rows)
    Path("lists/asked.jsonl").write_text(text)
    return "lists/asked.jsonl"


def test_every_picture_of_a_folder_is_asked_every_phrase():
    assert read_requests(["x.png", "photos"], ["a dog", "a cup"]) == [
        Request(image, phrase)
        for image in ("x.png", "photos/a/z.png", "photos/b.JPG")
        for phrase in ("a dog", "a cup")
    ]


def test_a_folder_that_is_named_like_a_picture_is_none():
    Path("photos/c.png").mkdir()
    found = read_requests(["photos"], ["a dog"])
    assert [request.image for request in found] == ["photos/a/z.png", "photos/b.JPG"]


def test_a_list_names_pictures_from_its_own_folder():
    path = write_list({"image": "p.png", "phrase": "a dog", "id": 3}, {"image": "/q", "phrase": ""})
    assert read_requests([path], ["not asked"]) == [
        Request("lists/p.png", "a dog"),
        Request("/q", ""),
    ]


def test_what_is_asked_twice_is_answered_once():
    assert read_requests(["x.png", "x.png"], ["a", "a"]) == [Request("x.png", "a")]


def test_phrases_of_a_given_sentence_stand_at_their_places_in_every_picture():
    sentence = "A dog and a cup, and a dog"
    assert read_requests(["x.png", "y.png"], ["a dog", "a hat", "a dog"], sentence) == [
        Request(image, phrase, sentence, span)
        for image in ("x.png", "y.png")
        for phrase, span in (("a dog", (0, 5)), ("a hat", None), ("a dog", (21, 26)))
    ]


def test_pictures_without_a_phrase_are_an_error():
    with pytest.raises(InputError, match=r"x\.png: .*--phrase"):
        read_requests(["x.png"], [])


def test_a_folder_without_pictures_is_named():
    Path("empty").mkdir()
    with pytest.raises(InputError, match="empty"):
        read_requests(["empty"], ["a"])


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        "3",
        '{"image": "x"}',
        '{"phrase": "x"}',
        '{"image": 1, "phrase": "x"}',
        '{"image": "x", "phrase": ["x"]}',
    ],
)
def test_a_malformed_line_is_named_by_its_number(line):
    path = write_list({"image": "p.png", "phrase": "a dog"}, line)
    with pytest.raises(InputError, match=rf"{path}:3: "):
        read_requests([path], [])


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_list_that_cannot_be_read_is_named(content):
    if content is not None:
        Path("asked.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"asked\.jsonl: cannot be read"):
        read_requests(["asked.jsonl"], [])


SENTENCE = "A cup on a cup."


def test_phrases_of_a_sentence_are_asked_at_their_places_in_it():
    one = {"image": "p.png", "sentence": SENTENCE}
    path = write_list(
        one | {"phrase": "a cup"},
        one | {"phrase": "a cup", "image": "q.png"},
        one | {"phrase": "a cup"},
        one | {"phrase": "a saucer"},
        one | {"phrase": "cup", "span": [2, 5]},
        {"image": "p.png", "phrase": "a cup", "span": [0, 5]},
    )
    assert read_requests([path], []) == [
        Request("lists/p.png", "a cup", SENTENCE, (0, 5)),
        Request("lists/q.png", "a cup", SENTENCE, (0, 5)),
        Request("lists/p.png", "a cup", SENTENCE, (9, 14)),
        Request("lists/p.png", "a saucer", SENTENCE, None),
        Request("lists/p.png", "cup", SENTENCE, (2, 5)),
        Request("lists/p.png", "a cup"),
    ]


def test_exported_boxes_can_be_asked_again_at_their_places():
    path = write_list(*json_rows(BOXES))
    expected = [(one.phrase.phrase, one.phrase.sentence, one.phrase.span) for one in BOXES]
    found = [(one.phrase, one.sentence, one.span) for one in read_requests([path], [])]
    assert found == expected


@pytest.mark.parametrize(
    "values",
    [
        {"sentence": 3},
        {"sentence": ["a"]},
        {"sentence": "a", "span": 3},
        {"sentence": "a", "span": [0]},
        {"sentence": "a", "span": [0, 1.5]},
        {"span": {"0": 1, "1": 2}},
    ],
)
def test_a_malformed_sentence_or_span_is_named_by_its_line(values):
    path = write_list({"image": "p.png", "phrase": "a dog"} | values)
    with pytest.raises(InputError, match=rf"{path}:1: (sentence|span)"):
        read_requests([path], [])
