import json

import pytest

from pipeline.datasets.readers.referit_json import read_referit_json
from pipeline.errors import InputError
from pipeline.params.datasets import ReferringDataset
from tests.golden_layouts import write_json, write_referit_json


def read(root):
    section = ReferringDataset("referit_json", "referit", str(root), "unused", 0, 0)
    return read_referit_json("mine", section)


@pytest.fixture
def root(tmp_path):
    write_referit_json(tmp_path / "data")
    return tmp_path


def test_regions_become_phrases_of_their_picture(root):
    found = read(root)
    assert found.form == "inclusive"
    assert [(one.phrase_id, one.picture) for one in found.referrals][2:4] == [
        ("25_2/0", "25.jpg"),
        ("25_2/1", "25.jpg"),
    ]
    assert found.referrals[2].declared_hw == (37, 61)
    assert [one.boxes for one in found.referrals] == [
        *[(), ()],
        *[([5, 6, 14, 17],), ([5, 6, 14, 17],)],
        ([2, 1, 19, 30],),
    ]


@pytest.mark.parametrize("folder", ["", "data", "splits/referit", "referit"])
def test_the_files_lie_in_any_of_the_folders_that_are_usual(tmp_path, folder):
    write_referit_json(tmp_path / folder)
    assert len(read(tmp_path).referrals) == 5


def test_sizes_and_a_split_may_be_missing(root):
    (root / "data" / "referit_imsize.json").unlink()
    (root / "data" / "referit_query_val.json").unlink()
    found = read(root)
    assert [one.split for one in found.referrals] == ["train", "train", "test"]
    assert found.referrals[0].declared_hw is None


def test_the_union_of_training_and_validation_is_not_read(root):
    write_json(root / "data" / "referit_query_trainval.json", {"9_2": ["twice"]})
    assert "twice" not in [one.phrase for one in read(root).referrals]


def test_a_region_without_a_box_or_a_list_of_texts_is_told(root):
    write_json(
        root / "data" / "referit_query_val.json",
        {"25_9": ["no box"], "25_8": "no list", "25_7": ["a dog", 7]},
    )
    found = read(root)
    assert [one.boxes for one in found.referrals if one.split == "val"] == [()]
    cause = ("phrase", "a region has no list of texts")
    assert [(problem.kind, problem.cause) for problem in found.bad] == [cause] * 2


@pytest.mark.parametrize("name", ["referit_query_val.json", "referit_bbox.json"])
def test_of_a_region_that_occurs_twice_the_first_stays(root, name):
    before = read(root)
    path = root / "data" / name
    text = path.read_text()
    region = next(iter(json.loads(text)))
    other = '["another"]' if "query" in name else "[0, 0, 1, 1]"
    path.write_text(text.rstrip().removesuffix("}") + f', "{region}": {other}}}')
    found = read(root)
    assert found.referrals == before.referrals
    assert [(one.kind, one.detail) for one in found.bad] == [("phrase", f"{path}: {region}")]


@pytest.mark.parametrize("size", ['["61", null]', "[1e999, 5]", "[]", "7"])
def test_a_size_that_is_none_is_not_checked(root, size):
    (root / "data" / "referit_imsize.json").write_text(f'{{"25.jpg": {size}}}')
    assert {one.declared_hw for one in read(root).referrals} == {None}


def test_a_number_too_long_to_read_names_the_file(root):
    (root / "data" / "referit_bbox.json").write_text('{"25_2": [0, 0, 1, ' + "9" * 5000 + "]}")
    with pytest.raises(InputError, match=r"referit_bbox\.json: is not JSON"):
        read(root)


def test_a_file_of_another_layout_is_named(root):
    write_json(root / "data" / "referit_bbox.json", [])
    with pytest.raises(InputError, match=r"referit_bbox\.json"):
        read(root)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"referit_query_train\.json"):
        read(tmp_path)
