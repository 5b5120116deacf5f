import pytest

from pipeline.datasets.proposals.image_places import AmbiguousNameError, ImagePlaces
from pipeline.records import ImageRecord


def places(*files):
    return ImagePlaces(
        [ImageRecord(file.rpartition(".")[0], file, (9, 9), "train") for file in files]
    )


IMAGES = ImagePlaces(
    [
        ImageRecord("139", "val2014/COCO_val2014_000000000139.jpg", (40, 70), "val"),
        ImageRecord("1000092795", "1000092795.jpg", (50, 30), "train"),
        ImageRecord("c", "c_7.png", (11, 13), "train"),
        ImageRecord("c@val", "c_7.png", (11, 13), "val"),
    ]
)


@pytest.mark.parametrize(
    ("name", "indices"),
    [
        ("139", (0,)),
        ("COCO_val2014_000000000139", (0,)),
        ("coco_val2014_000000000139", (0,)),
        ("COCO_train2014_000000000139", (0,)),
        ("000000000139.jpg", (0,)),
        ("val2014/COCO_val2014_000000000139.jpg", (0,)),
        ("/data/coco/val2014/COCO_val2014_000000000139.jpg", (0,)),
        ("flickr30k_001000092795", (1,)),
        ("c", (2, 3)),
        ("c@val", (2, 3)),
        ("c_7.png", (2, 3)),
        ("C_7", (2, 3)),
        ("7", (2, 3)),
        ("39", ()),
        ("d", ()),
        ("1390", ()),
        ("", ()),
        ("d_7", ()),
        ("c_7.jpg", ()),
        ("train2014/000000000139.jpg", ()),
        ("my_000000000139_7", ()),
    ],
)
def test_images_are_found_by_the_names_that_extractors_give_them(name, indices):
    assert IMAGES.of(name) == indices


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("7", ("a_7.jpg", "b_7.jpg")),
        ("0001", ("kitchen/0001.jpg", "garden/0001.jpg")),
        ("0001.jpg", ("kitchen/0001.jpg", "garden/0001.jpg")),
        ("1", ("kitchen/0001.jpg", "garden/001.png")),
        ("x", ("x.jpg", "x.png")),
    ],
)
def test_a_name_that_two_files_fit_finds_neither(name, files):
    with pytest.raises(AmbiguousNameError, match=rf"{files[0]}"):
        places(*files).of(name)


@pytest.mark.parametrize(
    ("name", "files", "index"),
    [
        ("b_7", ("a_7.jpg", "b_7.jpg"), 1),
        ("garden/0001", ("kitchen/0001.jpg", "garden/0001.jpg"), 1),
        ("photos/garden/0001.jpg", ("kitchen/0001.jpg", "garden/0001.jpg"), 1),
        ("garden/0001", ("x/kitchen/0001.jpg", "x/garden/0001.jpg"), 1),
        ("COCO_train2014_000000000139", ("COCO_val2014_000000000139.jpg",), 0),
        ("x.png", ("x.jpg", "x.png"), 1),
        ("x.JPEG", ("x.png", "x.jpg"), 1),
        ("25", ("01/images/24.jpg", "00/images/25.jpg"), 1),
        ("a.b", ("a.b.jpg",), 0),
    ],
)
def test_folder_prefix_and_suffix_decide_between_files(name, files, index):
    assert places(*files).of(name) == (index,)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("kitchen/0001", "garden/0001.jpg"),
        ("kitchen/0001.jpg", "garden/0001.jpg"),
        ("kitchen/1", "garden/0001.jpg"),
        ("a/garden/0001.jpg", "b/garden/0001.jpg"),
        ("kitchen_7", "garden_7.jpg"),
        ("0001.png", "0001.jpg"),
        ("COCO_val2014_7", "garden_7.jpg"),
        ("garden_7", "COCO_val2014_7.jpg"),
    ],
)
def test_what_a_name_says_otherwise_is_not_overlooked(name, file):
    assert places(file).of(name) == ()


def test_a_file_without_its_suffix_is_meant_rather_than_one_of_its_name_in_a_folder():
    files = ("x.png", "d/x.png")
    images = [ImageRecord(f"id of {file}", file, (9, 9), "train") for file in files]
    assert ImagePlaces(images).of("x") == (0,)


@pytest.mark.parametrize("suffix", ["png", "GIF", "bmp", "webp", "tif", "tiff", "jpg", "JPEG"])
def test_the_suffix_of_any_picture_may_be_left_out(suffix):
    found = places(f"d/a.b.{suffix}", f"e/a.c.{suffix}")
    assert found.of("a.b") == found.of("d/a.b") == found.of(f"a.b.{suffix.lower()}") == (0,)
    assert found.of("a") == ()


def test_what_follows_a_dot_is_no_suffix_unless_it_is_one_of_a_picture():
    found = ImagePlaces([ImageRecord("1", "d/a.b", (9, 9), "train")])
    assert found.of("d/a.b") == found.of("a.b") == (0,)
    assert found.of("d/a") == found.of("a") == ()
