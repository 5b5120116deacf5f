import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text_index import PackedTexts, TextIndex
from tests.conftest import ROOT

TEXTS = ["b", "", "a dog", "ü ☕", "b ", "a"]


class Alike(str):
    """A text with the hash of every other one."""

    __slots__ = ()

    def __hash__(self):
        return 7


class AlikeTexts(list):
    def hashes(self):
        return np.array([hash(text) for text in self], np.int64)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_packed_texts_are_the_list_that_was_packed(texts):
    packed = PackedTexts.pack(texts)
    assert [*packed] == texts
    assert [packed[row] for row in range(len(packed))] == texts
    assert packed[1:] == texts[1:]
    assert packed.hashes().tolist() == [hash(text) for text in texts]


def test_more_texts_than_are_decoded_at_a_time_are_the_same():
    texts = [f"{number:x}" for number in range((1 << 17) + 3)]
    assert [*PackedTexts.pack(texts)] == texts


def test_a_row_beyond_the_last_is_an_error_and_a_negative_one_counts_from_there():
    packed = PackedTexts.pack(TEXTS)
    assert packed[-1] == "a"
    with pytest.raises(IndexError):
        packed[len(TEXTS)]


@settings(max_examples=40, deadline=None)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]))), st.text())
def test_every_text_is_found_in_its_row_and_another_nowhere(texts, other):
    rows = sorted(texts)
    index = TextIndex(PackedTexts.pack(rows))
    assert [index.find(text) for text in rows] == list(range(len(rows)))
    assert index.find(other) == (rows.index(other) if other in texts else None)
    wanted = PackedTexts.pack([*reversed(rows), "not one of them"])
    assert index.find_all(wanted).tolist() == [*reversed(range(len(rows))), -1]


def test_texts_of_one_hash_are_told_apart():
    index = TextIndex(AlikeTexts(map(Alike, TEXTS)))
    assert [index.find(Alike(text)) for text in TEXTS] == list(range(len(TEXTS)))
    assert index.find(Alike("c")) is None
    wanted = AlikeTexts([Alike("a"), Alike("c"), Alike("b")])
    assert index.find_all(wanted).tolist() == [5, -1, 0]


class Numbered(str):
    """A text whose hash is the number that it says."""

    __slots__ = ()

    def __hash__(self):
        return int(self)


def test_hashes_before_between_and_behind_those_of_all_texts_are_of_none():
    index = TextIndex(AlikeTexts(map(Numbered, ("5", "3", "-7"))))
    wanted = [*map(Numbered, ("9", "5", "4", "3", "-7", "-9"))]
    assert index.find_all(AlikeTexts(wanted)).tolist() == [-1, 0, -1, 1, 2, -1]
    assert [index.find(text) for text in wanted] == [None, 0, None, 1, 2, None]


def test_of_equal_texts_the_last_one_is_found():
    for times in (1, 500):
        index = TextIndex(PackedTexts.pack(["a", "b", "a"] * times))
        assert (index.find("a"), index.find("b")) == (3 * times - 1, 3 * times - 2)


def test_an_index_works_where_texts_have_other_hashes():
    code = (
        "import pickle, sys; index = pickle.load(sys.stdin.buffer);"
        f"print([index.find(text) for text in {[*TEXTS, 'c']!r}])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(TextIndex(PackedTexts.pack(TEXTS))),
        env=os.environ | {"PYTHONHASHSEED": "5", "PYTHONIOENCODING": "utf-8"},
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert answer.stdout.decode().strip() == "[0, 1, 2, 3, 4, 5, None]"
