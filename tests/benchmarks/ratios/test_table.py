import json

import pytest

from benchmarks.ratios.row import Row, at_least, at_most
from benchmarks.ratios.table import as_json, as_markdown, as_text, digits

MACHINE = {"CPU": "a processor", "cores": "3", "commit": "abc1234"}
ROWS = [
    Row("quick", "ours", "a peer", at_least(8), (12.0, 9.0, 10.0), "CPU time", "a note", 3e-6),
    Row("slow", "ours", "a limit", at_most(1.25), (1.5, 1.2, 1.3), "wall time"),
]


def table_of(markdown):
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    heading, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [dict(zip(heading, row, strict=True)) for row in rows]


def test_markdown_says_what_was_found_and_on_what():
    text = as_markdown(ROWS, MACHINE)
    quick, slow = table_of(text)
    assert (quick["ratio"], quick["interval"], quick["mark"], quick["met"]) == (
        "10",
        "9 to 12, n = 3",
        ">= 8",
        "yes",
    )
    assert (slow["ratio"], slow["mark"], slow["met"]) == ("1.3", "<= 1.25", "no")
    assert (quick["equal to"], slow["equal to"]) == ("3e-06", "")
    assert text.startswith("CPU a processor, cores 3, commit abc1234")
    assert "`quick`: a note." in text


def test_text_has_the_same_figures():
    lines = as_text(ROWS, MACHINE).splitlines()
    (quick,) = (line for line in lines if line.startswith("quick "))
    assert " ".join(quick.split()) == "quick 10 9 to 12, n = 3 >= 8 yes CPU time"


def test_json_keeps_every_round():
    quick, slow = json.loads(json.dumps(as_json(ROWS, MACHINE)))["rows"]
    assert (quick["median"], quick["is_met"], slow["is_met"]) == (10.0, True, False)
    assert slow["ratios"] == [1.5, 1.2, 1.3]
    assert slow["mark"] == {"limit": 1.25, "at_least": False}


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.02346, "0.0235"), (1.006, "1.01"), (28.31, "28.3"), (99.7, "100"), (1234.4, "1234")],
)
def test_three_digits_count(ratio, text):
    assert digits(ratio) == text
