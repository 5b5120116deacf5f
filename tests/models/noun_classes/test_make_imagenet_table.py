import os
import sys
from pathlib import Path

import pytest

from models.classifier.classifier import imagenet_classes
from models.noun_classes import make_imagenet_table
from models.noun_classes.imagenet import TABLE, NounClasses, format_row, imagenet_classes_of
from models.noun_classes.make_imagenet_table import (
    EXCEPTIONS,
    NONE,
    build_table,
    imagenet_wnids,
    read_exceptions,
)
from models.noun_classes.wordnet import read_wordnet
from tests.tiny_wordnet import WNIDS, write_tiny_wordnet

NAMES = imagenet_classes()
WORDNET = Path(os.environ.get("CAMGROUND_WORDNET", "/usr/share/wordnet"))


def test_routes_on_eleven_senses(tmp_path):
    wordnet = read_wordnet(write_tiny_wordnet(tmp_path))
    table = build_table(wordnet, WNIDS, {"board": NONE, "pug": "n00003100"})
    assert table == {
        "book jacket": NounClasses((3,), "first_sense"),
        "canis familiaris": NounClasses((0, 1), "first_sense"),
        "canoe": NounClasses((4,), "first_sense"),
        "dog": NounClasses((0, 1), "first_sense"),
        "entity": NounClasses((0, 1, 2, 3, 4), "first_sense"),
        "jacket": NounClasses((3,), "later_sense"),
        "kayak": NounClasses((4,), "hypernym"),
        "poodle": NounClasses((0,), "first_sense"),
        "poodle dog": NounClasses((0,), "first_sense"),
        "pug": NounClasses((2,), "exception"),
        "scoreboard": NounClasses((2,), "first_sense"),
    }  # no skateboard: its hypernym is too wide


def test_a_hypernym_without_classes_stands_in_for_no_noun(tmp_path):
    wordnet = read_wordnet(write_tiny_wordnet(tmp_path))
    assert sorted(build_table(wordnet, ["n00002200"], {})) == [
        *("canis familiaris", "dog", "entity", "poodle", "poodle dog"),
    ]  # no pug: a dog is a poodle here, and not like one; no kayak: no canoe is a class


def test_every_exception_has_a_reason_and_names_a_class_or_none():
    for line in EXCEPTIONS.read_text().splitlines():
        noun, wnid, reason = line.split("\t")
        assert reason, noun
        assert (imagenet_classes_of(noun) is None) == (wnid == NONE), noun


def test_the_wnids_stand_in_the_order_of_the_class_names():
    wnids = imagenet_wnids()
    assert len(set(wnids)) == 1000
    known = {"n01440764": "tench", "n02110341": "dalmatian", "n03594734": "jean"}
    assert {wnid: NAMES[wnids.index(wnid)] for wnid in known} == known


def test_the_command_writes_the_table_and_counts_its_routes(tmp_path, monkeypatch, capsys):
    exceptions = {"board": NONE, "pug": "n00003100"}
    monkeypatch.setattr(make_imagenet_table, "TABLE", tmp_path / "table.tsv")
    monkeypatch.setattr(make_imagenet_table, "imagenet_wnids", lambda: WNIDS)
    monkeypatch.setattr(make_imagenet_table, "read_exceptions", lambda: exceptions)
    monkeypatch.setattr(sys, "argv", ["make", str(write_tiny_wordnet(tmp_path))])
    make_imagenet_table.main()
    rows = (tmp_path / "table.tsv").read_text().splitlines(keepends=True)
    assert len(rows) == 11
    assert rows[0] == format_row("book jacket", NounClasses((3,), "first_sense"))
    total, _, counts = capsys.readouterr().out.strip().partition(": ")
    assert total.split()[0] == "11"
    assert counts == "1 exception, 8 first_sense, 1 hypernym, 1 later_sense"


@pytest.mark.slow
@pytest.mark.skipif(not (WORDNET / "data.noun").exists(), reason="WordNet 3.0 is not installed")
def test_the_table_is_what_wordnet_says():
    wordnet = read_wordnet(WORDNET)
    assert {int(wnid[1:]) for wnid in imagenet_wnids()} <= wordnet.synsets.keys()
    table = build_table(wordnet, imagenet_wnids(), read_exceptions())
    assert TABLE.read_text() == "".join(format_row(*row) for row in table.items())
