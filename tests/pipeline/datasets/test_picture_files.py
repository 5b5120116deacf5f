import pytest

from pipeline.datasets.files import PictureFinder
from pipeline.errors import InputError


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
        ("elsewhere/26.jpg", "00/images/26.jpg"),
        ("COCO_train2014_000000000009.jpg", "val2017/000000000009.jpg"),
        ("27.jpg", "27.jpg"),
    ],
)
def test_a_picture_is_found_in_folders_below_and_by_its_newer_name(finder, name, file):
    assert finder.find(name) == file


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; `images`"):
        PictureFinder(tmp_path / "nowhere")
