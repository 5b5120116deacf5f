import os
import pickle
import pickletools
from collections import OrderedDict

import numpy as np
import pytest

from pipeline.datasets.readers.safe_pickle import read_plain_pickle
from pipeline.errors import InputError
from tests.python2_pickle import python2_pickle


class Evil:
    """What a pickle may do to whoever loads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_of_python_2_gives_texts_whatever_their_bytes(tmp_path):
    value = [{b"sent": "crêpe".encode(), b"raw": "café".encode("latin-1"), b"u": "мост", b"n": -3}]
    path = tmp_path / "refs.p"
    path.write_bytes(python2_pickle(value))
    names = {opcode.name for opcode, _, _ in pickletools.genops(path.read_bytes())}
    assert {"PROTO", "SHORT_BINSTRING", "BINUNICODE", "LONG_BINPUT", "BININT"} <= names
    assert read_plain_pickle(path) == [{"sent": "crêpe", "raw": "café", "u": "мост", "n": -3}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_python_3_are_read_too(tmp_path, protocol):
    value = [{"sent": "café", "box": (1.5, 2, None), "ok": True}]
    (tmp_path / "refs.p").write_bytes(pickle.dumps(value, protocol))
    assert read_plain_pickle(tmp_path / "refs.p") == value


def test_a_pickle_that_would_run_code_is_refused_before_it_does(tmp_path):
    (tmp_path / "refs.p").write_bytes(pickle.dumps([Evil(tmp_path / "owned")], 2))
    with pytest.raises(InputError, match=r"refs\.p.*mkdir"):
        read_plain_pickle(tmp_path / "refs.p")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("value", [OrderedDict(a=1), eval, slice(1, 2)])
def test_even_harmless_names_are_refused(tmp_path, value):
    (tmp_path / "refs.p").write_bytes(pickle.dumps(value, 2))
    with pytest.raises(InputError, match=r"refs\.p"):
        read_plain_pickle(tmp_path / "refs.p")


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x02]", b"\x80\x63.", b"(lp0\nS"])
def test_a_broken_or_foreign_file_is_named(tmp_path, content):
    (tmp_path / "refs.p").write_bytes(content)
    with pytest.raises(InputError, match=r"refs\.p"):
        read_plain_pickle(tmp_path / "refs.p")


def test_whatever_byte_is_wrong_the_file_is_read_or_named(tmp_path):
    whole = python2_pickle([{b"ref_id": 5, b"sentences": [{b"sent": b"a dog", b"x": 1.5}]}])
    rng = np.random.default_rng(0)
    path = tmp_path / "refs.p"
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + rng.bytes(1) + whole[place + 1 :])
        try:
            read_plain_pickle(path)
        except InputError:
            refused += 1
    assert len(whole) / 4 < refused < len(whole)


def test_a_value_that_holds_itself_is_refused(tmp_path):
    value = []
    value.append(value)
    (tmp_path / "refs.p").write_bytes(pickle.dumps(value, 2))
    with pytest.raises(InputError, match=r"refs\.p"):
        read_plain_pickle(tmp_path / "refs.p")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_plain_pickle(tmp_path / "refs.p")


def test_lists_that_name_one_another_over_and_over_are_refused_at_once(tmp_path):
    value = ["x"] * 10
    for _ in range(12):
        value = [value] * 10
    (tmp_path / "refs.p").write_bytes(pickle.dumps(value, 2))
    assert (tmp_path / "refs.p").stat().st_size < 1000
    with pytest.raises(InputError, match=r"refs\.p.*many"):
        read_plain_pickle(tmp_path / "refs.p")


def test_a_link_to_a_file_elsewhere_is_not_read(tmp_path):
    (tmp_path / "refs.p").write_bytes(pickle.dumps([], 2))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "refs.p").symlink_to(tmp_path / "refs.p")
    with pytest.raises(InputError, match=r"refs\.p.*link"):
        read_plain_pickle(tmp_path / "data" / "refs.p")
