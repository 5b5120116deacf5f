import json
import pickle
import sys
import tracemalloc

import pytest

from pipeline.datasets.readers.refer import (
    images_of_splits,
    overlap_remarks,
    read_instances,
    read_refer,
)
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset
from tests.golden_layouts import coco_name, instances, refs, write_json, write_refer
from tests.python2_pickle import python2_pickle


def read(root, collection="refcocog_umd"):
    return read_refer("mine", ReferringDataset("refer", collection, str(root), "unused", 0, 0))


def causes(found):
    assert {problem.kind for problem in found.bad} <= {"phrase"}
    return [(problem.cause, problem.detail) for problem in found.bad]


@pytest.fixture
def root(tmp_path):
    write_refer(tmp_path)
    return tmp_path


def leave(value):
    """Change nothing."""


def change(root, refs_of=leave, instances_of=leave):
    """Write the data set anew after two functions have changed refs and instances."""
    told, known = refs(), instances(coco_name)
    refs_of(told)
    instances_of(known)
    (root / "refs(umd).p").write_bytes(python2_pickle(told))
    write_json(root / "instances.json", known)


def test_the_file_name_is_the_images_not_the_objects(root):
    assert {one.picture for one in read(root).referrals} == {coco_name(n) for n in (9, 25, 30)}


def test_outlines_are_dropped_while_the_file_is_read(root):
    others = [{"id": number, "segmentation": [[0.5] * 1009]} for number in range(400, 497)]
    change(root, instances_of=lambda known: known["annotations"].extend(others))
    tracemalloc.start()
    assert len(read_instances(root / "instances.json").boxes) == 3 + 97
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 97 * 1009 * (8 + sys.getsizeof(0.5))  # a list's place and a number


def test_ids_are_those_of_the_sentences_and_sizes_are_height_then_width(root):
    found = read(root).referrals
    assert [one.phrase_id for one in found] == ["900", "901", "2500", "2501", "3000"]
    assert [one.declared_hw for one in found][::2] == [(40, 50), (37, 61), (59, 43)]


def test_boxes_of_training_objects_are_not_even_looked_up(root):
    def spoil(known):
        known["annotations"][0] = {"id": 90, "bbox": ["not", "a", "box"]}

    change(root, instances_of=spoil)
    assert [one.boxes for one in read(root).referrals][:2] == [(), ()]
    change(root, instances_of=lambda known: known["annotations"].pop(0))
    found = read(root)
    assert (len(found.referrals), found.bad) == (5, [])


@pytest.mark.parametrize(
    ("collection", "folder", "who"),
    [
        ("refcoco_unc", "refcoco", "unc"),
        ("refcoco_google", "refcoco", "google"),
        ("refcoco_plus_unc", "refcoco+", "unc"),
        ("refcocog_google", "refcocog", "google"),
        ("refclef_berkeley", "refclef", "berkeley"),
    ],
)
def test_the_folder_of_all_data_sets_will_do(tmp_path, collection, folder, who):
    (tmp_path / folder).mkdir()
    write_refer(tmp_path / folder, who_split=who)
    assert len(read(tmp_path, collection).referrals) + len(read(tmp_path, collection).bad) == 5


def test_a_split_that_the_collection_does_not_have_is_counted(root):
    def rename(told):
        told[1][b"split"] = b"vall"

    change(root, rename)
    found = read(root)
    assert len(found.referrals) == 3
    told = "the split is none of test, train, val"
    assert causes(found) == [
        (told, "ref 1025, sentence 2500"),
        (told, "ref 1025, sentence 2501"),
    ]


def test_people_are_a_split_a_split_of_unc_and_not_of_umd(tmp_path):
    write_refer(tmp_path, who_split="unc")
    told = refs()
    told[2][b"split"] = b"testA"
    (tmp_path / "refs(unc).p").write_bytes(python2_pickle(told))
    assert [one.split for one in read(tmp_path, "refcoco_unc").referrals][-1] == "testA"


def test_dangling_ids_are_counted(root):
    def dangle(told):
        told[1][b"ann_id"] = 77
        told[2][b"image_id"] = 88

    change(root, dangle)
    assert causes(read(root)) == [
        ("instances.json has no such annotation", "ref 1025, sentence 2500"),
        ("instances.json has no such annotation", "ref 1025, sentence 2501"),
        ("instances.json has no such image", "ref 1030, sentence 3000"),
    ]


def test_a_ref_that_lacks_a_key_is_counted(root):
    change(root, lambda told: (told[0].pop(b"split"), told[1].update({b"ann_id": [250]})))
    assert [cause for cause, _ in causes(read(root))] == ["a ref lacks a key"] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"ref_id": 10**5000},
        {"sentences": [{"sent_id": 10**5000, "sent": "x"}]},
        {"sentences": [{"sent": "x"}]},
        {"sentences": "x"},
        {"sentences": None},
        {"image_id": [9]},
        {"split": {}},
    ],
)
def test_a_ref_of_another_kind_is_counted_and_the_others_are_read(root, changes):
    sound = {"ref_id": 1, "ann_id": 90, "image_id": 9, "split": "train"}
    sound["sentences"] = [{"sent_id": 900, "sent": "left crêpe"}]
    for strange in (sound | changes, "ref", 7, ["ref_id"]):
        (root / "refs(umd).p").write_bytes(pickle.dumps([strange, sound], 2))
        found = read(root)
        assert [cause for cause, _ in causes(found)] == ["a ref lacks a key"]
        assert [one.phrase for one in found.referrals] == ["left crêpe"]


def test_an_annotation_without_a_box_has_none(root):
    change(root, instances_of=lambda known: [one.pop("bbox") for one in known["annotations"]])
    assert [one.boxes for one in read(root).referrals] == [(), (), (None,), (None,), (None,)]


def test_an_id_that_comes_twice_is_told_if_the_two_differ(root):
    def twice(known):
        known["annotations"] += [
            {"id": 250, "bbox": [0.0, 0.0, 1.0, 1.0]},
            dict(known["annotations"][2]),
        ]

    change(root, instances_of=twice)
    found = read(root)
    assert found.referrals[2].boxes == ([5.0, 6.0, 10.0, 12.0],)
    [(cause, detail)] = causes(found)
    assert cause == "instances.json has an id twice: the first stays"
    assert detail.endswith("annotation 250")


PICTURE = {"id": 1, "file_name": "a.jpg"}


@pytest.mark.parametrize(
    "content",
    [
        *([], {}, 7, {"images": []}, {"images": [{}], "annotations": []}),
        {"images": ["a"], "annotations": []},
        {"images": [[1]], "annotations": []},
        {"images": 5, "annotations": []},
        {"images": [PICTURE | {"id": [1]}], "annotations": []},
        {"images": [PICTURE], "annotations": [{"id": {}}]},
        {"images": [PICTURE], "annotations": ["id"]},
    ],
)
def test_what_is_not_cocos_layout_is_named(root, content):
    write_json(root / "instances.json", content)
    with pytest.raises(InputError, match=r"instances\.json"):
        read(root)


def test_a_missing_instances_file_is_named(root):
    (root / "instances.json").unlink()
    with pytest.raises(InputError, match=r"instances\.json"):
        read(root)


def test_refs_that_are_no_list_are_named(root):
    (root / "refs(umd).p").write_bytes(python2_pickle({b"a": 1}))
    with pytest.raises(InputError, match=r"\.p\b.*dict"):
        read(root)


def test_the_refs_that_were_looked_for_are_named(root):
    with pytest.raises(InputError, match=r"refs\(google\)\.p, refcocog/refs.*datasets\.mine\.root"):
        read(root, "refcocog_google")


def test_the_overlap_of_both_ways_of_splitting_refcocog_is_told(root):
    told = refs()
    told[1][b"split"] = b"train"
    (root / "refs(google).p").write_bytes(python2_pickle(told))
    assert read(root).remarks[0].startswith("1 of 2 images of refs(umd).p outside train are in")
    (root / "refs(unc).p").write_bytes(python2_pickle(told))
    assert read(root, "refcoco_unc").remarks == ()


def test_outlines_of_objects_are_dropped(root):
    assert "segmentation" in json.dumps(instances(coco_name))
    assert read(root).form == "xywh"


def write(path, splits):
    refs = [
        {b"image_id": image, b"split": split.encode()}
        for split, images in splits.items()
        for image in images
    ]
    path.write_bytes(python2_pickle(refs))


def test_images_that_one_way_of_splitting_trains_on_and_the_other_tests_on_are_counted(tmp_path):
    write(tmp_path / "refs(google).p", {"train": [1, 2, 2, 3], "val": [3, 4, 5]})
    write(tmp_path / "refs(umd).p", {"train": [4, 6], "val": [1, 1, 5], "test": [2]})
    assert overlap_remarks(tmp_path) == (
        "2 of 3 images of refs(umd).p outside train are in train of refs(google).p: "
        "train and evaluate by the same file",
        "1 of 3 images of refs(google).p outside train are in train of refs(umd).p: "
        "train and evaluate by the same file",
    )


def test_without_both_nothing_is_counted(tmp_path):
    write(tmp_path / "refs(google).p", {"train": [1], "val": [2]})
    assert overlap_remarks(tmp_path) == ()


def test_a_broken_file_is_named(tmp_path):
    write(tmp_path / "refs(google).p", {"train": [1]})
    (tmp_path / "refs(umd).p").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"refs\(umd\)\.p"):
        overlap_remarks(tmp_path)


def test_what_names_no_split_and_image_is_of_none():
    refs_of = [{"split": "val", "image_id": 3}, {"split": "val"}, {"image_id": 4}, "split", None]
    refs_of += [{"split": "new", "image_id": [5]}, {"split": {}, "image_id": 6}, ["split"], 7]
    assert images_of_splits(refs_of) == {"val": {3}}


@pytest.mark.parametrize("key", ["height", "width"])
def test_a_size_is_known_only_whole(root, key):
    change(root, instances_of=lambda known: [image.pop(key) for image in known["images"]])
    assert {one.declared_hw for one in read(root).referrals} == {None}
