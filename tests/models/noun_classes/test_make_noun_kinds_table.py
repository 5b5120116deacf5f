import os
import sys
from pathlib import Path

import pytest

from models.noun_classes import make_noun_kinds_table
from models.noun_classes.make_noun_kinds_table import ROOTS, build_table
from models.noun_classes.noun_kinds import TABLE
from models.noun_classes.wordnet import read_wordnet
from tests.tiny_wordnet import write_tiny_wordnet

WORDNET = Path(os.environ.get("CAMGROUND_WORDNET", "/usr/share/wordnet"))


def test_kinds_on_eleven_senses(tmp_path):
    wordnet = read_wordnet(write_tiny_wordnet(tmp_path))
    wordnet.senses = dict(reversed(wordnet.senses.items()))
    roots = {"being": [("dog", 1)], "body": [("canoe", 1)], "worn": [("jacket", 2)]}
    table = build_table(wordnet, roots)
    assert list(table) == sorted(table)
    assert table == {
        "canoe": "body",
        "dog": "being",
        "jacket": "worn",  # by its second sense, the wrapper
        "kayak": "body",
        "poodle": "being",
        "pug": "being",
    }  # one word each: no "book jacket", no "poodle dog"


def test_only_the_first_sense_makes_a_being(tmp_path):
    wordnet = read_wordnet(write_tiny_wordnet(tmp_path))
    roots = {"being": [("jacket", 2)], "body": [("jacket", 2)], "worn": [("pug", 1)]}
    assert build_table(wordnet, roots) == {"jacket": "worn", "pug": "worn"}


def test_the_command_writes_the_table_and_counts_its_kinds(tmp_path, monkeypatch, capsys):
    roots = {"being": [("dog", 1)], "body": [("canoe", 1)], "worn": [("jacket", 2)]}
    monkeypatch.setattr(make_noun_kinds_table, "ROOTS", roots)
    monkeypatch.setattr(make_noun_kinds_table, "TABLE", tmp_path / "table.tsv")
    monkeypatch.setattr(sys, "argv", ["make", str(write_tiny_wordnet(tmp_path))])
    make_noun_kinds_table.main()
    rows = (tmp_path / "table.tsv").read_text().splitlines()
    assert len(rows) == 6
    assert rows[0] == "canoe\tbody"
    assert {"3 being", "2 body", "1 worn"} <= set(
        capsys.readouterr().out.strip().partition(": ")[2].split(", ")
    )


@pytest.mark.slow
@pytest.mark.skipif(not (WORDNET / "data.noun").exists(), reason="WordNet 3.0 is not installed")
def test_the_table_is_what_wordnet_says():
    table = build_table(read_wordnet(WORDNET), ROOTS)
    assert TABLE.read_text() == "".join(f"{noun}\t{kind}\n" for noun, kind in table.items())
