import numpy as np
import pytest

from pipeline.datasets.proposals.bottom_up_files import BadRowError, GivenBoxes
from pipeline.datasets.proposals.given_proposals import (
    GivenLimits,
    ImagePlaces,
    import_given,
    read_names,
)
from pipeline.errors import InputError
from pipeline.records import ImageRecord

IMAGES = [
    ImageRecord("139", "val2014/COCO_val2014_000000000139.jpg", (40, 70), "val"),
    ImageRecord("1000092795", "1000092795.jpg", (50, 30), "train"),
    ImageRecord("c", "c_7.png", (11, 13), "train"),
]
LIMITS = GivenLimits(max_boxes=3, score_floor=0.1, labels=("yolk", "goal"), first_label=0)


def given(boxes, image_id="139", image_hw=None, scores=None, labels=None, normalised=False):
    scores = None if scores is None else np.array(scores, float)
    labels = None if labels is None else np.array(labels)
    return GivenBoxes(
        image_id, image_hw, np.array(boxes, float).reshape(-1, 4), scores, labels, normalised
    )


def boxes_of(imported, index):
    start, stop = imported.arrays["offsets"][index : index + 2]
    return imported.arrays["boxes_xyxy"][start:stop].tolist()


def test_boxes_come_in_the_order_of_the_images_whatever_that_of_the_rows():
    rows = [given([[1, 2, 3, 4]], "c"), given([[5, 6, 7, 8], [0, 0, 9, 9]], "139")]
    imported = import_given(IMAGES, rows, LIMITS)
    assert boxes_of(imported, 0) == [[5, 6, 7, 8], [0, 0, 9, 9]]
    assert boxes_of(imported, 1) == []
    assert boxes_of(imported, 2) == [[1, 2, 3, 4]]
    assert imported.missing == ("1000092795",)
    kinds = [imported.arrays[name].dtype for name in ("boxes_xyxy", "scores", "labels", "offsets")]
    assert kinds == ["f4", "f4", "i2", "i8"]


def test_the_best_come_first_and_equals_keep_their_order():
    rows = [given([[x, 0, x + 1, 1] for x in range(5)], scores=[0.5, 0.05, 0.9, 0.5, 0.5])]
    imported = import_given(IMAGES, rows, LIMITS)
    assert [box[0] for box in boxes_of(imported, 0)] == [2, 0, 3]
    np.testing.assert_allclose(imported.arrays["scores"], [0.9, 0.5, 0.5], rtol=1e-6)


def test_boxes_are_clipped_to_their_image_and_counted():
    rows = [given([[-3, -4, 900, 30], [5, 5, 6, 6]])]
    imported = import_given(IMAGES, rows, LIMITS)
    assert boxes_of(imported, 0) == [[0, 0, 70, 30], [5, 5, 6, 6]]
    assert imported.counts["boxes that reach beyond the image"] == 1


def test_boxes_that_cannot_be_are_left_out_and_counted():
    nan = float("nan")
    boxes = [[nan, 1, 2, 3], [4, 4, 4, 9], [80, 1, 90, 9], [1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 3, 3]]
    rows = [given(boxes, scores=[0.9] * 4 + [1.5, 0.9], labels=[0, 0, 0, 2, 1, 1])]
    imported = import_given(IMAGES, rows, LIMITS)
    assert boxes_of(imported, 0) == [[0, 0, 3, 3]]
    assert imported.counts["boxes without area"] == 3
    assert imported.counts["boxes whose score is not in [0, 1]"] == 1
    assert imported.counts["boxes of an unknown class"] == 1


def test_boxes_measured_in_another_size_are_scaled_along_each_side():
    imported = import_given(IMAGES, [given([[7, 4, 14, 8]], image_hw=(20, 140))], LIMITS)
    assert boxes_of(imported, 0) == [[3.5, 8, 7, 16]]
    assert imported.counts["images measured in another size"] == 1


def test_shares_of_the_image_become_pixels():
    imported = import_given(IMAGES, [given([[0.1, 0.5, 0.5, 1.0]], normalised=True)], LIMITS)
    np.testing.assert_allclose(boxes_of(imported, 0), [[7, 20, 35, 40]], rtol=1e-6)


def test_an_image_that_lay_on_its_side_is_missing():
    imported = import_given(IMAGES, [given([[7, 4, 14, 8]], image_hw=(70, 40))], LIMITS)
    assert imported.missing[0] == "139"
    assert imported.counts["rows of images that lay on their side"] == 1


def test_labels_begin_where_the_file_s_do():
    limits = GivenLimits(3, 0.1, ("yolk", "goal"), first_label=1)
    rows = [given([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]], labels=[0, 2, 1])]
    imported = import_given(IMAGES, rows, limits)
    assert imported.arrays["labels"].tolist() == [1, 0]
    assert boxes_of(imported, 0) == [[0, 0, 2, 2], [0, 0, 3, 3]]


def test_without_names_every_box_is_an_object():
    limits = GivenLimits(3, 0.1, (), first_label=0)
    imported = import_given(IMAGES, [given([[0, 0, 1, 1]], labels=[1500])], limits)
    assert imported.arrays["labels"].tolist() == [0]


def test_other_images_second_rows_and_broken_rows_are_counted():
    rows = [given([[1, 1, 2, 2]]), given([[3, 3, 4, 4]]), given([], "x9"), BadRowError("f:3: bad")]
    imported = import_given(IMAGES, rows, LIMITS)
    assert boxes_of(imported, 0) == [[1, 1, 2, 2]]
    assert imported.counts["second rows of an image"] == 1
    assert imported.counts["rows of other images"] == 1
    assert imported.counts["rows that cannot be read"] == 1
    assert imported.examples == ("f:3: bad",)


def test_no_images_give_empty_arrays():
    imported = import_given([], [given([[1, 1, 2, 2]])], LIMITS)
    assert imported.arrays["offsets"].tolist() == [0]
    assert imported.arrays["boxes_xyxy"].shape == (0, 4)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("139", 0),
        ("COCO_val2014_000000000139", 0),
        ("coco_val2014_000000000139", 0),
        ("000000000139.jpg", 0),
        ("flickr30k_001000092795", 1),
        ("c", 2),
        ("c_7.png", 2),
        ("39", None),
        ("d", None),
        ("1390", None),
    ],
)
def test_images_are_found_by_the_names_that_extractors_give_them(name, index):
    assert ImagePlaces(IMAGES).of(name) == index


def test_a_number_that_two_images_share_finds_neither():
    twins = [ImageRecord(f"{part}_7", f"{part}_7.jpg", (9, 9), "train") for part in "ab"]
    assert ImagePlaces(twins).of("7") is None
    assert ImagePlaces(twins).of("b_7") == 1


def test_names_are_read_up_to_the_comma(tmp_path):
    (tmp_path / "v.txt").write_text("Stop sign,stopsign\n\ncafé \n", encoding="utf-8")
    assert read_names(tmp_path / "v.txt") == ("stop sign", "café")
    with pytest.raises(InputError, match=r"vocabulary.*w\.txt"):
        read_names(tmp_path / "w.txt")
