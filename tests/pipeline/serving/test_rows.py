import json
from dataclasses import replace

import pytest

from pipeline.serving.found import Candidate, Found
from pipeline.serving.placed_phrases import PlacedPhrase
from pipeline.serving.rows import (
    WHY_CANDIDATES,
    Kind,
    Request,
    answer_row,
    error_row,
    request_of,
    to_line,
)

KIND = Kind("shapes/full", "reg", with_why=False)
REQUEST = Request("a/x.jpg", "der H\u00fcgel")
CANDIDATE = Candidate((1.0, 2.0, 3.125, 4.0), "dog", False, 0.5, -1.0, 0.25, 0.125, -0.625, 0.75)
FOUND = Found(
    "x",
    (0.126, 1.0, 2.0, 3.0),
    0.1234567,
    0.7654321,
    ("dog", "cup"),
    (CANDIDATE,) * 12,
    (5, 7),
    None,
)


def test_an_answer_names_what_was_asked_and_rounds_its_numbers():
    assert answer_row(REQUEST, FOUND, KIND) == {
        "image": "a/x.jpg",
        "phrase": "der H\u00fcgel",
        "model": "shapes/full",
        "answer": "reg",
        "box_xyxy": [0.13, 1.0, 2.0, 3.0],
        "score": 0.123457,
        "confidence": 0.765432,
        "nouns": ["dog", "cup"],
    }


def test_why_lists_the_best_candidates_with_their_parts():
    row = answer_row(REQUEST, FOUND, replace(KIND, with_why=True))
    assert len(row["candidates"]) == WHY_CANDIDATES
    assert row["candidates"][0] == {
        "box_xyxy": [1.0, 2.0, 3.12, 4.0],
        "label": "dog",
        "is_merged": False,
        "detector_score": 0.5,
        "prior": -1.0,
        "cam": 0.25,
        "learned": 0.125,
        "logit": -0.625,
        "probability": 0.75,
    }


def test_without_proposals_there_is_no_score_and_no_confidence():
    row = answer_row(REQUEST, replace(FOUND, score=None, confidence=None), KIND)
    assert (row["score"], row["confidence"]) == (None, None)


@pytest.mark.parametrize("span", [(4, 10), None])
def test_a_row_tells_the_request_that_it_answers(span):
    told = replace(REQUEST, sentence="Ein der H\u00fcgel", span=span)
    assert told.placed == PlacedPhrase(
        phrase="der H\u00fcgel", sentence="Ein der H\u00fcgel", span=span
    )
    for request in (REQUEST, told):
        for row in (answer_row(request, FOUND, KIND), error_row(request, "none", KIND)):
            assert request_of(json.loads(to_line(row))) == request
            assert ("sentence" in row) == ("span" in row) == (request is told)


def test_an_error_is_one_line_beside_what_was_asked():
    row = error_row(REQUEST, "no\n such  file", KIND)
    assert row["error"] == "no such file"
    assert row.keys() == {"image", "phrase", "model", "answer", "error"}


@pytest.mark.parametrize("phrase", ["der H\u00fcgel", "a\u2028b", "\ud800"])
def test_a_line_is_utf_8_that_holds_any_text(phrase):
    line = to_line({"phrase": phrase})
    assert line.count(b"\n") == 1
    assert json.loads(line.decode()) == {"phrase": phrase}


def test_a_person_can_read_the_letters_of_a_line():
    assert "der H\u00fcgel".encode() in to_line({"phrase": "der H\u00fcgel"})
