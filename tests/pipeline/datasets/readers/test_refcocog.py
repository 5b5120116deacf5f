import pytest

from pipeline.datasets.readers.refer import overlap_remarks
from pipeline.errors import InputError
from tests.python2_pickle import python2_pickle


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
    with pytest.raises(InputError, match=r"refs\(umd\)\.p: is refused"):
        overlap_remarks(tmp_path)
