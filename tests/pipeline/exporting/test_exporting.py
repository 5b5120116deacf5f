import json
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.exporting.__main__ import main
from tests.cached_world import FILES
from tests.stages.evaluated_world import save_untrained


@pytest.fixture(scope="module", autouse=True)
def _here(tmp_path_factory):
    """Work where a model lies that was never trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("trained"))
        patch.setattr(sys, "excepthook", sys.excepthook)
        save_untrained(Path.cwd())
        FILES.ground_truth.unlink()
        yield


def export(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["camground export", "shapes", "full", *words])
    main()


def test_each_format_holds_every_phrase_of_the_split(monkeypatch, capsys):
    for name in ("coco", "transvg", "jsonl"):
        export(monkeypatch, "--format", name, "--split", "train", "--to", f"boxes.{name}")
        assert "15 of 15" in capsys.readouterr().out
    assert "чашка ☕" in Path("boxes.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in Path("boxes.jsonl").read_text("utf-8").splitlines()]
    tuples = torch.load("boxes.transvg", weights_only=True)
    dataset = json.loads(Path("boxes.coco").read_text())
    assert [row["phrase"] for row in rows] == [one[2] for one in tuples]
    assert [row["phrase"] for row in rows] == [one["phrase"] for one in dataset["annotations"]]
    assert len(json.loads(Path("boxes.results.json").read_text())) == 15


@pytest.mark.parametrize("left_out", ["--format", "--split", "--to"])
def test_what_to_write_of_what_and_where_is_asked_for(monkeypatch, left_out):
    words = {"--format": "jsonl", "--split": "train", "--to": "some.jsonl"}
    del words[left_out]
    with pytest.raises(SystemExit) as stopped:
        export(monkeypatch, *chain(*words.items()))
    assert stopped.value.code == 2


def scores_in(name):
    return sorted(json.loads(line)["score"] for line in Path(name).read_text("utf-8").splitlines())


def test_boxes_of_a_low_score_stay_out(monkeypatch):
    words = ("--format", "jsonl", "--split", "train")
    export(monkeypatch, *words, "--to", "all.jsonl")
    scores = scores_in("all.jsonl")
    export(monkeypatch, *words, "--to", "some.jsonl", "--min-score", str(scores[7]))
    assert scores_in("some.jsonl") == [score for score in scores if score >= scores[7]]


@pytest.mark.parametrize("target", [".", "nowhere/x.json"])
def test_a_place_that_cannot_hold_the_file_is_named_at_once(monkeypatch, target):
    with pytest.raises(InputError, match="--to"):
        export(monkeypatch, "--format", "jsonl", "--split", "train", "--to", target)
