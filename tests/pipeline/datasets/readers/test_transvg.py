import pytest
import torch

from pipeline.datasets.readers.transvg import read_transvg
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset
from tests.golden_layouts import coco_name, inclusive, transvg_row, write_transvg, xywh


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


@pytest.mark.parametrize(
    ("key", "collection"), [("gref_umd", "refcocog_umd"), ("flickr", "flickr30k")]
)
def test_boxes_to_evaluate_with_come_as_they_stand(tmp_path, key, collection):
    write_transvg(tmp_path, key)
    boxes = [list(one.boxes[0]) for one in read(tmp_path, collection).referrals[2:]]
    numbers = inclusive if key == "flickr" else xywh
    assert boxes == [[*numbers(picture)] for picture in (25, 25, 30)]


def test_training_boxes_are_left_where_they_are(tmp_path):
    write_transvg(tmp_path, "gref_umd")
    assert [one.boxes for one in read(tmp_path).referrals][:2] == [(), ()]


def test_rows_of_another_kind_are_counted(tmp_path):
    write_transvg(tmp_path, "gref_umd")
    lists = tmp_path / "gref_umd"
    rows = [("9.jpg", "phrase"), (9, "m", [0, 0, 1, 1], "x"), transvg_row("gref_umd", 25, "good")]
    torch.save([*rows, rows[2][:4]], lists / "gref_umd_val.pth")
    torch.save([7, "four", {"m": 1, "n": 2, "o": 3, "p": 4}], lists / "gref_umd_test.pth")
    found = read(tmp_path)
    assert {problem.kind for problem in found.bad} == {"phrase"}
    assert [problem.cause for problem in found.bad] == [
        "a row has not 4 or 5 parts",
        "picture or phrase is no text",
        *["a row has not 4 or 5 parts"] * 3,
    ]
    val = [one for one in found.referrals if one.split == "val"]
    assert [(one.phrase_id, one.picture) for one in val] == [
        ("val/2", coco_name(25)),
        ("val/3", coco_name(25)),
    ]


def test_a_collection_without_lists_is_named(tmp_path):
    with pytest.raises(InputError, match=r"datasets\.mine\.collection"):
        read(tmp_path, "refclef_unc")


def test_missing_lists_are_named(tmp_path):
    with pytest.raises(InputError, match=r"gref_umd/gref_umd_train\.pth.*datasets\.mine\.root"):
        read(tmp_path)
