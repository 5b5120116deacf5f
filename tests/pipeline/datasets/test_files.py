import os

import pytest

from pipeline.datasets.files import (
    AmbiguousPictureError,
    OutsidePictureError,
    PictureFinder,
    check_file,
    find_file,
    read_json,
    unique_keys,
)
from pipeline.errors import InputError

NAMES = ("a.json", "anns/a.json")


def test_the_first_name_that_is_there_counts(tmp_path):
    (tmp_path / "anns").mkdir()
    (tmp_path / "anns" / "a.json").touch()
    assert find_file(tmp_path, NAMES, "key") == tmp_path / "anns" / "a.json"
    (tmp_path / "a.json").touch()
    assert find_file(tmp_path, NAMES, "key") == tmp_path / "a.json"
    assert find_file(tmp_path / "anns" / "a.json", NAMES, "key") == tmp_path / "anns" / "a.json"


def test_a_root_counts_by_what_it_is_and_is_called(tmp_path):
    (tmp_path / "b.json").touch()
    with pytest.raises(InputError, match=r"b\.json.*key"):
        find_file(tmp_path / "b.json", NAMES, "key")
    (tmp_path / "a.json").mkdir()
    (tmp_path / "a.json" / "a.json").touch()
    assert find_file(tmp_path / "a.json", NAMES, "key") == tmp_path / "a.json" / "a.json"


def test_what_was_looked_for_and_the_key_are_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.json, anns/a\.json.*datasets\.x\.root"):
        find_file(tmp_path, NAMES, "datasets.x.root")
    with pytest.raises(InputError, match=r"nowhere.*datasets\.x\.root"):
        find_file(tmp_path / "nowhere", NAMES, "datasets.x.root")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{}", b"[" * 100_000])
def test_a_file_that_is_no_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json.*JSON"):
        read_json(tmp_path / "a.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.json.*No such file"):
        read_json(tmp_path / "a.json")


def test_objects_can_be_lightened_as_they_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"big": 1, "x": [{"big": 2, "y": 3}]}')

    def keep(value):
        return {key: item for key, item in value.items() if key != "big"}

    assert read_json(tmp_path / "a.json", keep) == {"x": [{"y": 3}]}


@pytest.fixture
def finder(tmp_path):
    for path in ("25.jpg", "00/images/26.jpg", "01/images/26.jpg", "val2017/000000000009.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return PictureFinder(tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("25.jpg", "25.jpg"),
        ("00/images/26.jpg", "00/images/26.jpg"),
        ("26.jpg", "00/images/26.jpg"),
        ("elsewhere/26.jpg", "elsewhere/26.jpg"),
        ("elsewhere/25.jpg", "elsewhere/25.jpg"),
        ("images/26.jpg", "images/26.jpg"),
        ("25.jpeg", "25.jpeg"),
        ("26.png", "26.png"),
        ("COCO_train2014_000000000009.jpg", "val2017/000000000009.jpg"),
        ("val2017/COCO_train2014_000000000009.jpg", "val2017/000000000009.jpg"),
        ("train2014/COCO_train2014_000000000009.jpg", "train2014/COCO_train2014_000000000009.jpg"),
        ("COCO_train2014_25.jpg", "COCO_train2014_25.jpg"),
        ("27.jpg", "27.jpg"),
        ("", ""),
    ],
)
def test_a_picture_is_found_in_folders_below_and_by_its_newer_name(finder, name, file):
    assert finder.find(name) == file


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.*`images`"):
        PictureFinder(tmp_path / "nowhere")


def write(folder, **contents):
    for name, content in contents.items():
        path = folder / name / "7.jpg"
        path.parent.mkdir(parents=True)
        path.write_text(content)
        os.utime(path, (1, 1))  # as copies that keep it have


def test_a_bare_name_of_files_that_differ_is_told(tmp_path):
    write(tmp_path, kitchen="one", garden="two")
    finder = PictureFinder(tmp_path)
    with pytest.raises(AmbiguousPictureError, match=r"garden/7\.jpg and kitchen/7\.jpg"):
        finder.find("7.jpg")
    assert finder.find("kitchen/7.jpg") == "kitchen/7.jpg"


def test_copies_may_have_one_name(tmp_path):
    write(tmp_path, kitchen="one", garden="one")
    assert PictureFinder(tmp_path).find("7.jpg") == "garden/7.jpg"


def test_the_photographs_of_saiapr_are_those_in_images(tmp_path):
    for folder in ("00/images", "00/a_mask"):
        write(tmp_path, **{folder: folder})
    assert PictureFinder(tmp_path).find("7.jpg") == "00/images/7.jpg"


@pytest.fixture
def outside(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret.jpg").write_text("x")
    return folder


@pytest.mark.parametrize(
    "name", ["../25.jpg", "/etc/passwd", "a/../../25.jpg", "link.jpg", "to/secret.jpg"]
)
def test_a_picture_outside_of_its_folder_is_none(finder, outside, name):
    (finder.folder / "link.jpg").symlink_to(outside / "secret.jpg")
    (finder.folder / "to").symlink_to(outside)
    with pytest.raises(OutsidePictureError, match=name):
        finder.find(name)


def test_a_link_that_stays_inside_is_a_picture(finder):
    (finder.folder / "link.jpg").symlink_to("25.jpg")
    assert finder.find("link.jpg") == "link.jpg"
    (finder.folder / "00" / "below.jpg").symlink_to("images/26.jpg")
    assert finder.find("below.jpg") == "00/below.jpg"
    assert finder.find("elsewhere/../25.jpg") == "elsewhere/../25.jpg"


def test_a_picture_in_a_folder_below_is_no_link_to_one_outside(finder, outside):
    (finder.folder / "below").mkdir()
    (finder.folder / "below" / "secret.jpg").symlink_to(outside / "secret.jpg")
    assert finder.find("secret.jpg") == "secret.jpg"  # which is not there


def test_a_file_of_a_data_set_is_no_link_to_one_outside(tmp_path, outside):
    (outside / "a.json").write_text("{}")
    (tmp_path / "a.json").symlink_to(outside / "a.json")
    with pytest.raises(InputError, match=r"a\.json.*link"):
        find_file(tmp_path, NAMES, "key")
    with pytest.raises(InputError, match=r"a\.json.*link"):
        read_json(tmp_path / "a.json")
    (tmp_path / "root").symlink_to(outside)  # the folder itself may lie elsewhere
    assert read_json(find_file(tmp_path / "root", NAMES, "key")) == {}


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a\.json.*pipe"):
        read_json(tmp_path / "a.json")


def test_a_web_page_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "a.tsv").write_text("<!DOCTYPE html><title>404</title>")
    with pytest.raises(InputError, match=r"a\.tsv.*web page"):
        check_file(tmp_path / "a.tsv")
    (tmp_path / "b.tsv").write_text("7\t5\n")
    check_file(tmp_path / "b.tsv")
    with pytest.raises(InputError, match=r"c\.tsv.*No such file"):
        check_file(tmp_path / "c.tsv")


def test_a_key_that_occurs_twice_in_an_object_is_named():
    assert unique_keys([("a", 1), ("b", 2)]) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="'b'"):
        unique_keys([("a", 1), ("b", 2), ("b", 2)])
