import json

import pytest

from pipeline.datasets.readers.simrec import read_simrec
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset
from tests.golden_layouts import coco_name, write_json, write_simrec


def read(root, collection="refcocog_umd"):
    section = ReferringDataset("simrec", collection, str(root), "unused", 0, 0)
    return read_simrec("mine", section)


@pytest.fixture
def path(tmp_path):
    write_simrec(tmp_path / "refcocog.json")
    return tmp_path / "refcocog.json"


def test_training_groups_phrases_by_object_and_the_others_do_not(path):
    assert [one.phrase_id for one in read(path.parent).referrals] == [
        *["train/0/0", "train/0/1"],
        *["val/0/0", "val/1/0"],
        "test/0/0",
    ]


def test_the_file_itself_may_be_pointed_at(path):
    assert len(read(path).referrals) == 5


@pytest.mark.parametrize(
    ("collection", "stems"),
    [
        ("refcoco_unc", ["refcoco"]),
        ("refcoco_google", ["refcoco"]),
        ("refcoco_plus_unc", ["refcoco+"]),
        ("refcocog_google", ["refcocog"]),
        ("refcocog_umd", ["refcocog"]),
        ("refclef_unc", ["refclef", "referit"]),
        ("refclef_berkeley", ["refclef", "referit"]),
        ("referit", ["referit", "refclef"]),
    ],
)
def test_each_collection_has_its_file_and_some_another_one_in_its_place(
    tmp_path, collection, stems
):
    entry = {"iid": 25, "bbox": [0, 0, 1, 1]}
    (tmp_path / "anns").mkdir()
    for stem in reversed(stems):  # the later one is preferred
        for folder in ("anns/", ""):
            phrase = f"of {folder}{stem}"
            write_json(tmp_path / f"{folder}{stem}.json", {"val": [entry | {"refs": [phrase]}]})
            found = read(tmp_path, collection)
            assert [one.phrase for one in found.referrals] == [phrase]
            assert found.form == "xywh"


def test_training_entries_need_no_box(path):
    content = json.loads(path.read_text())
    del content["train"][0]["bbox"]
    write_json(path, content)
    assert [one.boxes for one in read(path).referrals][:2] == [(), ()]


@pytest.mark.parametrize(
    ("iid", "collection", "picture"),
    [
        (25, "refcocog_umd", coco_name(25)),
        ("25", "refcocog_umd", coco_name(25)),
        ("a b.png", "refcocog_umd", "a b.png"),
        (25, "refclef_berkeley", "25.jpg"),
    ],
)
def test_a_picture_is_named_by_number_or_by_name(tmp_path, iid, collection, picture):
    name = "refclef.json" if collection == "refclef_berkeley" else "refcocog.json"
    entry = {"iid": iid, "bbox": [0, 0, 1, 1], "refs": ["a dog"]}
    write_json(tmp_path / name, {"train": [], "val": [entry]})
    assert [one.picture for one in read(tmp_path, collection).referrals] == [picture]


@pytest.mark.parametrize(
    "changes", [{"iid": 2.5}, {"iid": None}, {"iid": [25]}, {"refs": None}, {"refs": 7}]
)
def test_an_entry_of_another_kind_is_counted_and_the_others_are_read(tmp_path, changes):
    sound = {"iid": 25, "bbox": [0, 0, 1, 1], "refs": ["a dog", 7]}
    write_json(tmp_path / "refcocog.json", {"val": [sound | changes, "entry", 7, sound]})
    found = read(tmp_path)
    assert {(one.kind, one.cause) for one in found.bad} == {("phrase", "an entry lacks a key")}
    assert len(found.bad) == 3
    assert [(one.phrase_id, one.phrase) for one in found.referrals] == [
        ("val/3/0", "a dog"),
        ("val/3/1", "7"),
    ]


def test_entries_that_lack_a_key_and_unknown_splits_are_counted(path):
    content = json.loads(path.read_text())
    del content["val"][0]["bbox"]
    content["tset"] = content["test"] * 3
    write_json(path, content)
    found = read(path)
    assert {problem.kind for problem in found.bad} == {"phrase"}
    assert [problem.cause for problem in found.bad] == [
        *["the split is none of test, train, val"] * 3,
        "an entry lacks a key",
    ]
    assert len(found.referrals) == 4


@pytest.mark.parametrize("content", [[], {"train": {}}])
def test_another_layout_is_named(path, content):
    write_json(path, content)
    with pytest.raises(InputError, match=r"refcocog\.json"):
        read(path)


def test_the_files_that_were_looked_for_are_named(tmp_path):
    with pytest.raises(InputError, match=r"refcocog\.json.*datasets\.mine\.root"):
        read(tmp_path)


def test_a_collection_without_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match="flickr30k"):
        read(tmp_path, "flickr30k")
