import os
from contextlib import suppress

import numpy as np
import pytest
import torch

from pipeline.datasets.readers.safe_torch import load_list
from pipeline.errors import InputError


class Evil:
    """What a file of torch may do to whoever loads it without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["i1", "<i2", "<i4", "<i8", "u1", ">u2", ">u4", "<f4", ">f8"])
@pytest.mark.parametrize("is_new", [True, False])
def test_boxes_may_be_arrays(tmp_path, kind, is_new):
    numbers = np.array([1, 2, 30, 40], kind)
    rows = [("9.jpg", numbers, "a dog"), ("9.jpg", [np.dtype(kind).type(3)] * 4, "x")]
    torch.save(rows, tmp_path / "a.pth", _use_new_zipfile_serialization=is_new)
    [[_, box, _], [_, numbers, _]] = load_list(tmp_path / "a.pth")
    assert box.numbers == [1, 2, 30, 40]
    assert numbers == [3.0] * 4


def test_arrays_that_numpy_1_pickled_are_read(tmp_path):
    torch.save(
        [np.array([1, 2], np.int64)], tmp_path / "a.pth", _use_new_zipfile_serialization=False
    )
    path = tmp_path / "a.pth"
    told = path.read_bytes()
    assert b"cnumpy._core.multiarray\n" in told
    path.write_bytes(told.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert load_list(path)[0].numbers == [1, 2]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_file_that_would_run_code_is_refused_before_it_does(tmp_path, is_new):
    path = tmp_path / "a.pth"
    torch.save([Evil(tmp_path / "owned")], path, _use_new_zipfile_serialization=is_new)
    with pytest.raises(InputError, match=r"a\.pth"):
        load_list(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"broken", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pth"):
        load_list(tmp_path / "a.pth")


def test_whatever_byte_is_wrong_a_file_is_read_or_named(tmp_path):
    path = tmp_path / "a.pth"
    torch.save([("9.jpg", np.ones(4), "x")], path, _use_new_zipfile_serialization=False)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + rng.bytes(1) + whole[place + 1 :])
        try:
            load_list(path)
        except InputError:
            refused += 1
    assert len(whole) / 4 < refused < len(whole)


def test_damaged_arrays_leave_numpy_as_it_is(tmp_path):
    path = tmp_path / "a.pth"
    torch.save([np.ones(4)], path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"<", b"O", 1))
    with suppress(InputError):
        load_list(path)
    assert (np.ones(3) + 1).tolist() == [2, 2, 2]


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1 + 2j])])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    torch.save([array], tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth.*array"):
        load_list(tmp_path / "a.pth")


def test_what_is_no_list_is_named(tmp_path):
    torch.save({"a": 1}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth.*dict"):
        load_list(tmp_path / "a.pth")


def test_a_link_to_a_file_elsewhere_is_not_read(tmp_path):
    torch.save([], tmp_path / "a.pth")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.pth").symlink_to(tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth.*link"):
        load_list(tmp_path / "data" / "a.pth")
