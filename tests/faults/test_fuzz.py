"""Damaged files for every reader, some hundred in all, and the watch over them."""

import mmap
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from tests.faults import fuzz, fuzz_watch
from tests.faults.fuzz import READERS, cases_of, make_bench, run_case, warm
from tests.faults.fuzz_watch import Outcome, install, judge

SLOW = {"report": 2, "stanza": 3, "clip": 5, "bert": 5, "grounder": 5, "detector": 6, "params": 3}
CASES, SEED = 12, 7


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    install()
    return make_bench(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_end_in_records_skips_or_errors_of_ours(bench, name, monkeypatch):
    monkeypatch.setattr(fuzz, "bound_memory", lambda: None)
    warm(bench, name)
    cases = cases_of([name], SLOW.get(name, CASES), SEED)
    faults = {f"{name}:{number}": run_case(bench, name, number).fault for _, number in cases}
    assert {case: fault for case, fault in faults.items() if fault} == {}


@pytest.mark.parametrize("size", ["hidden_dim", "num_layers", "word_emb_dim"])
def test_a_tagger_that_asks_for_more_than_its_weights_are_gets_no_memory(bench, tmp_path, size):
    folder = shutil.copytree(bench.good_files("stanza"), tmp_path / "case")
    (path,) = folder.glob("en/pos/*.pt")
    content = torch.load(path, weights_only=True)
    content["config"][size] = 6000
    torch.save(content, path)
    verdict = judge(READERS["stanza"].read, folder, (folder.name,), refused=True)
    assert verdict.fault == "", verdict.trace
    assert verdict.own_error


def judged(folder, read, refused=False):
    install()
    return judge(read, folder, ("a.json",), refused)


class UnboundedError(InputError):
    """Shows a message as it is, which no error of the project does."""

    def __init__(self, message):
        super().__init__(message)
        self.args = (message,)


FAULTS = {
    "runs": lambda _: os.system("true"),
    "outside": lambda folder: (folder.parent / "b.json").read_text(),
    "KeyError": lambda _: {}["a"],
    "names no file": lambda _: _raise(InputError("something is wrong")),
    "hangs": lambda _: _spin(),
    "MiB": lambda _: np.frombuffer(mmap.mmap(-1, 5 * 2**28), np.uint8).fill(1),
    "characters": lambda _: _raise(UnboundedError("a.json" + 9999 * "x")),
    "terminal": lambda _: _raise(UnboundedError("a.json: \ud800")),
}


def _raise(error):
    raise error


def _spin():
    end = time.process_time() + 5
    while time.process_time() < end:
        pass


@pytest.mark.parametrize("fault", FAULTS)
def test_the_watch_sees_what_a_reader_must_not_do(tmp_path, monkeypatch, fault):
    monkeypatch.setattr(fuzz_watch, "CPU_SECONDS", 1)
    folder = tmp_path / "case"
    folder.mkdir()
    (tmp_path / "b.json").write_text("{}")

    def read(given):
        FAULTS[fault](given)
        return Outcome(1)

    assert fault in judged(folder, read).fault


def test_the_watch_sees_an_error_that_was_caught(tmp_path):
    def read(_):
        try:
            os.system("true")
        except PermissionError:
            return Outcome(1)

    assert "runs" in judged(tmp_path, read).fault


def test_records_and_own_errors_are_no_faults(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    fine = judged(tmp_path, lambda folder: Outcome(len((folder / "a.json").read_text())))
    assert (fine.fault, fine.outcome.records) == ("", 2)
    named = judged(tmp_path, lambda _: _raise(InputError("a.json: is wrong")))
    assert (named.fault, named.own_error) == ("", "a.json: is wrong")
    assert "refuse" in judged(tmp_path, lambda _: Outcome(1), refused=True).fault


def test_a_number_tells_a_case(tmp_path):
    contents = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        bench = make_bench(tmp_path / place)
        install()
        run_case(bench, "own", 77)
        root = bench.folder / "case" / "root"
        contents.append({path.name: path.read_bytes() for path in sorted(root.iterdir())})
    assert contents[0] == contents[1]
    assert Path.cwd() != tmp_path
