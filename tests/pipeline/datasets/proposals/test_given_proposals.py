import numpy as np
import pytest

from pipeline.datasets.proposals.bottom_up_files import BadRowError, GivenBoxes
from pipeline.datasets.proposals.given_proposals import (
    NO_USABLE_BOX,
    GivenLimits,
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


def test_many_boxes_of_few_scores_keep_their_order():
    rows = [given([[x, 0, x + 1, 1] for x in range(60)], scores=[0.5, 0.625, 0.75] * 20)]
    imported = import_given(IMAGES, rows, GivenLimits(60, 0.1, ("yolk", "goal"), 0))
    expected = [*range(2, 60, 3), *range(1, 60, 3), *range(0, 60, 3)]
    assert [box[0] for box in boxes_of(imported, 0)] == expected


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
    assert imported.counts["boxes that are not four finite numbers"] == 1
    assert imported.counts["boxes without area"] == 2
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


def test_a_row_whose_boxes_all_lie_below_the_floor_is_counted():
    rows = [
        given([[0, 0, 1, 1]] * 2, scores=[0.1, 0.09]),
        given([[0, 0, 1, 1]], "c", scores=[0.09]),
    ]
    imported = import_given(IMAGES, rows, LIMITS)
    np.testing.assert_allclose(imported.arrays["scores"], [0.1], rtol=1e-6)
    told = {key: count for key, count in imported.counts.items() if count and "classes" not in key}
    assert list(told.values()) == [1]
    assert "floor" in min(told)


def test_names_are_read_up_to_the_comma(tmp_path):
    (tmp_path / "v.txt").write_text("\ufeff Stop sign ,stopsign\ncafé \n\n", encoding="utf-8")
    assert read_names(tmp_path / "v.txt") == ("stop sign", "café")
    with pytest.raises(InputError, match=r"vocabulary.*w\.txt"):
        read_names(tmp_path / "w.txt")


@pytest.mark.parametrize(
    ("text", "message"), [("", "empty"), ("\n \n", "empty"), ("a\n\nb\n", "line 2")]
)
def test_a_vocabulary_without_names_or_with_a_gap_is_refused(tmp_path, text, message):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(InputError, match=rf"vocabulary: .*v\.txt.*{message}"):
        read_names(tmp_path / "v.txt")


def test_more_names_than_labels_can_count_are_refused(tmp_path):
    (tmp_path / "v.txt").write_text("x\n" * 32768)
    (tmp_path / "w.txt").write_text("x\n" * 32767)
    assert len(read_names(tmp_path / "w.txt")) == 32767
    with pytest.raises(InputError, match="32768 classes"):
        read_names(tmp_path / "v.txt")


def names_of(imported):
    return [imported.label[label] for label in imported.arrays["labels"]]


def test_boxes_without_a_class_are_objects_beside_a_vocabulary():
    rows = [given([[0, 0, 1, 1], [0, 0, 2, 2]]), given([[0, 0, 3, 3]], "c")]
    imported = import_given(IMAGES, rows, LIMITS)
    assert imported.label == ("object",)
    assert names_of(imported) == ["object"] * 3


@pytest.mark.parametrize("vocabulary", [("yolk", "goal"), ("object", "goal")])
def test_boxes_with_and_without_a_class_keep_theirs(vocabulary):
    rows = [given([[0, 0, 1, 1]]), given([[0, 0, 3, 3]], "c", labels=[1])]
    imported = import_given(IMAGES, rows, GivenLimits(3, 0.1, vocabulary, first_label=0))
    assert names_of(imported) == ["object", "goal"]
    assert imported.label[:2] == vocabulary
    assert len(set(imported.label)) == len(imported.label)


def test_a_vocabulary_whose_classes_all_boxes_have_stays_as_it_is():
    imported = import_given(IMAGES, [given([[0, 0, 1, 1]], labels=[0])], LIMITS)
    assert imported.label == ("yolk", "goal")


@pytest.mark.parametrize(
    ("first_label", "ids", "right"), [(0, [1, 2], 1), (5, [0], 0), (0, [2], 1), (-1, [0, 1], 0)]
)
def test_classes_that_fit_only_another_first_number_are_refused(first_label, ids, right):
    limits = GivenLimits(3, 0.1, ("yolk", "goal"), first_label)
    rows = [given([[0, 0, 1, 1]] * len(ids), labels=ids)]
    with pytest.raises(InputError, match=rf"first_label is {first_label}.*from {right}$"):
        import_given(IMAGES, rows, limits)


def test_a_class_0_below_the_first_number_may_be_the_background_and_is_told():
    limits = GivenLimits(3, 0.1, ("yolk", "goal"), first_label=1)
    imported = import_given(IMAGES, [given([[0, 0, 1, 1]] * 3, labels=[0, 1, 0])], limits)
    assert names_of(imported) == ["yolk"]
    assert [count for key, count in imported.counts.items() if "class 0" in key] == [2]


SHARES = [[0.09, 0.03, 0.47, 0.47], [0.0, 0.0, 1.0, 1.0], [0.5, 0.25, 0.75, 1.004]]
WIDE = [ImageRecord("a", "a.jpg", (480, 640), "train")]


@pytest.mark.parametrize(
    ("boxes", "measured_hw", "normalised", "problem"),
    [
        (SHARES, None, False, "of shares"),
        (SHARES, (600, 800), False, "of shares"),
        ([[1, 2, 300, 400]], None, True, "of pixels"),
        ([[300, 200, 40, 50], [10, 20, 30, 40]], None, False, "as x, y, width, height"),
        ([[375, 250, 50, 62], [10, 20, 30, 40]], (600, 800), False, "as x, y, width, height"),
        ([[700, 500, 50, 62]], (600, 800), False, "as x, y, width, height"),
        ([[600, 20, 41, 40]], None, False, "as x, y, width, height"),
        ([[0.6, 0.2, 0.3, 0.5]], None, True, "as x, y, width, height"),
        ([[0.6, 0.2, 0.405, 0.5]], None, True, "as x, y, width, height"),
        ([[0.5, 0.25, 1.5, 1]], None, False, "of shares"),
        ([[0.5, 0.25, 1.5625, 1]], None, True, "of pixels"),
        (SHARES, (4, 640), False, "of shares"),
    ],
)
def test_boxes_of_another_kind_than_the_layout_s_are_not_taken(
    boxes, measured_hw, normalised, problem
):
    row = given(boxes, "a", measured_hw, normalised=normalised)
    imported = import_given(WIDE, [row], LIMITS)
    assert imported.missing == ("a",)
    assert any(problem in key for key in +imported.counts)


@pytest.mark.parametrize(
    ("boxes", "measured_hw", "normalised"),
    [
        ([[0.09, 0.03, 0.47, 0.47]], None, True),
        ([[0.25, 0.5, 0.75, 1.25], [10, 20, 30.5, 40]], None, False),
        # one box is reversed, and not all are x, y, w, h
        ([[600, 20, 590, 40], [100, 20, 630, 40]], None, False),
        ([[600, 20, 42, 40]], None, False),
        ([[600, 20, 41, 40], [-1, 20, 30, 40]], None, False),
        ([[300, 200, 40, 50], [10, 20, 30, 40]], (240, 320), False),
        ([[0.6, 0.2, 0.45, 0.5]], None, True),
        ([[5, 5, 5, 9], [10, 20, 30, 40]], None, False),
        ([[0.5, 0.25, 1.5, 1]], None, True),
        ([[0.5, 0.25, 1.5625, 1]], None, False),
        ([[0, 0, 1, 1]], None, False),
        (SHARES, (3, 640), False),
    ],
)
def test_boxes_of_the_layout_s_kind_are_taken(boxes, measured_hw, normalised):
    row = given(boxes, "a", measured_hw, normalised=normalised)
    assert import_given(WIDE, [row], LIMITS).missing == ()


def test_an_image_that_two_splits_list_has_its_boxes_twice():
    twice = [
        ImageRecord("g_7", "g_7.jpg", (40, 70), "train"),
        IMAGES[1],
        ImageRecord("g_7@val", "g_7.jpg", (40, 70), "val"),
    ]
    rows = [given([[1, 2, 80, 4]], "7", scores=[0.5], labels=[1])]
    imported = import_given(twice, rows, LIMITS)
    assert boxes_of(imported, 0) == boxes_of(imported, 2) == [[1, 2, 70, 4]]
    assert imported.arrays["labels"].tolist() == [1, 1]
    assert imported.missing == ("1000092795",)
    assert imported.counts["boxes that reach beyond the image"] == 1


def test_a_name_that_fits_two_images_is_counted_and_told():
    twins = [ImageRecord(f"{part}/7", f"{part}/7.jpg", (9, 9), "train") for part in "ab"]
    imported = import_given(twins, [given([[1, 2, 3, 4]], "7")], LIMITS)
    assert imported.missing == ("a/7", "b/7")
    assert imported.counts["rows whose name fits several images"] == 1
    assert "a/7.jpg" in imported.examples[0]


def test_what_a_row_lacks_or_holds_unread_is_counted():
    row = GivenBoxes("139", None, np.array([[0.0, 0, 5, 5]]), None, None, unread=("cls_prob",))
    counts = +import_given(IMAGES, [row], LIMITS).counts
    for words in ("without classes", "without scores", "`cls_prob`"):
        assert [count for key, count in counts.items() if words in key] == [1]
    counts = +import_given(
        IMAGES, [given([[0, 0, 5, 5]], labels=[3])], GivenLimits(3, 0, (), 0)
    ).counts
    assert [count for key, count in counts.items() if "no vocabulary" in key] == [1]


def test_a_row_that_lacks_nothing_is_not_counted():
    whole = given([[0, 0, 5, 5]], scores=[0.5], labels=[1])
    assert not +import_given(IMAGES, [whole], LIMITS).counts
    without = given([[0, 0, 5, 5]], scores=[0.5])
    assert not +import_given(IMAGES, [without], GivenLimits(3, 0, (), 0)).counts


@pytest.mark.parametrize("scores", [[float("nan")] * 2, [float("inf")] * 2, [55, 80], [-1, -0.1]])
def test_a_row_without_any_usable_box_is_counted(scores):
    imported = import_given(IMAGES, [given([[0, 0, 5, 5], [1, 1, 9, 9]], scores=scores)], LIMITS)
    assert imported.counts[NO_USABLE_BOX] == 1
    assert not any("floor" in problem for problem in +imported.counts)
    assert imported.arrays["scores"].shape == (0,)
