import os

import numpy as np
import pytest
import torch

from pipeline.dataset_sections import ReferringDataset
from pipeline.datasets.transvg import load_list, read_transvg
from pipeline.errors import InputError
from tests.golden_layouts import coco_name, transvg_row, write_transvg


class Evil:
    """What a file of torch may do to whoever loads it without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def read(root, collection="refcocog_umd"):
    section = ReferringDataset("transvg", collection, str(root), "unused", 0, 0)
    return read_transvg("mine", section)


@pytest.mark.parametrize(
    ("collection", "key", "form"),
    [
        ("refcoco_unc", "unc", "xywh"),
        ("refcoco_plus_unc", "unc+", "xywh"),
        ("refcocog_google", "gref", "xywh"),
        ("refcocog_umd", "gref_umd", "xywh"),
        ("referit", "referit", "inclusive"),
        ("flickr30k", "flickr", "inclusive"),
    ],
)
def test_each_collection_has_its_key_and_its_kind_of_box(tmp_path, collection, key, form):
    write_transvg(tmp_path, key)
    assert read(tmp_path, collection).form == form
    assert read(tmp_path / key, collection).referrals[0].phrase == "left crêpe"


def test_training_boxes_are_left_where_they_are(tmp_path):
    write_transvg(tmp_path, "gref_umd")
    assert [one.boxes for one in read(tmp_path).referrals][:2] == [(), ()]


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("is_new", [True, False])
def test_boxes_may_be_arrays(tmp_path, kind, is_new):
    rows = [("9.jpg", np.array([1, 2, 30, 40], kind), "a dog"), ("9.jpg", [kind(3)] * 4, "x")]
    torch.save(rows, tmp_path / "a.pth", _use_new_zipfile_serialization=is_new)
    [[_, box, _], [_, numbers, _]] = load_list(tmp_path / "a.pth")
    assert box.tolist() == [1, 2, 30, 40]
    assert list(map(float, numbers)) == [3.0] * 4


def test_arrays_that_numpy_1_pickled_are_read(tmp_path):
    torch.save(
        [np.array([1, 2], np.int64)], tmp_path / "a.pth", _use_new_zipfile_serialization=False
    )
    path = tmp_path / "a.pth"
    told = path.read_bytes()
    assert b"cnumpy._core.multiarray\n" in told
    path.write_bytes(told.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert load_list(path)[0].tolist() == [1, 2]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_file_that_would_run_code_is_refused_before_it_does(tmp_path, is_new):
    path = tmp_path / "a.pth"
    torch.save([Evil(tmp_path / "owned")], path, _use_new_zipfile_serialization=is_new)
    with pytest.raises(InputError, match=r"a\.pth: is refused as a list of torch"):
        load_list(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"broken", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pth: is refused"):
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


def test_what_is_no_list_is_named(tmp_path):
    torch.save({"a": 1}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="must hold a list of tuples, holds a dict"):
        load_list(tmp_path / "a.pth")


def test_rows_of_another_kind_are_counted(tmp_path):
    write_transvg(tmp_path, "gref_umd")
    rows = [("9.jpg", "phrase"), (9, "m", [0, 0, 1, 1], "x"), transvg_row("gref_umd", 25, "good")]
    torch.save([*rows, rows[2][:4]], tmp_path / "gref_umd" / "gref_umd_val.pth")
    found = read(tmp_path)
    assert [problem.cause for problem in found.bad] == [
        "a row has not 4 or 5 parts",
        "picture or phrase is no text",
    ]
    val = [one for one in found.referrals if one.split == "val"]
    assert [(one.phrase_id, one.picture) for one in val] == [
        ("val/2", coco_name(25)),
        ("val/3", coco_name(25)),
    ]


def test_a_collection_without_lists_is_named(tmp_path):
    with pytest.raises(InputError, match=r"datasets\.mine\.collection: TransVG has no lists of"):
        read(tmp_path, "refclef_unc")


def test_missing_lists_are_named(tmp_path):
    with pytest.raises(InputError, match=r"holds none of gref_umd/gref_umd_train\.pth"):
        read(tmp_path)
