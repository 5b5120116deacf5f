from dataclasses import replace

import pytest

from pipeline.datasets.published import Published
from pipeline.datasets.reading import BadRecord, ImageReading
from pipeline.datasets.summary import check_usable, describe_counts, summarise
from pipeline.errors import InputError
from pipeline.records import ImageRecord, PhraseRecord


def reading(image_id, split, num_phrases, *bad):
    image = ImageRecord(image_id, f"{image_id}.jpg", (3, 5), split)
    phrases = tuple(
        PhraseRecord(f"{image_id}/{index}", image_id, split, "a cup")
        for index in range(num_phrases)
    )
    return ImageReading(image, phrases, bad=bad)


def unusable(detail):
    return ImageReading(None, bad=(BadRecord("image", "unreadable", detail),))


def empty(detail):
    return BadRecord("phrase", "empty", detail)


def test_splits_are_counted_apart():
    summary = summarise([reading("a", "train", 3), reading("b", "val", 2), reading("c", "val", 0)])
    train, val = summary.splits["train"], summary.splits["val"]
    assert (train.images, train.images_without_phrases, train.phrases) == (1, 0, 3)
    assert (val.images, val.images_without_phrases, val.phrases) == (2, 1, 2)


def test_bad_records_are_counted_by_cause_with_a_few_examples():
    summary = summarise([unusable(f"{index}.jpg") for index in range(7)])
    assert summary.bad["unreadable"].count == 7
    assert summary.bad["unreadable"].examples == ("0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg")


def test_fractions_are_of_the_images_read_and_of_all_phrases():
    summary = summarise([reading("a", "train", 3, empty("a/3")), unusable("b.jpg")])
    assert summary.bad_fractions == {"image": 1 / 2, "phrase": 1 / 4}


def test_nothing_read_is_no_division_by_zero():
    assert summarise([]).bad_fractions == {"image": 0, "phrase": 0}


@pytest.mark.parametrize("num_good", [0, 3])
def test_all_that_is_bad_is_a_part_of_all_there_is(num_good):
    good = [reading(str(number), "train", 1) for number in range(num_good)]
    before = [*(BadRecord("image", "no name", name) for name in "xz"), empty("y")]
    found = summarise([*good, unusable("b.jpg")], before).bad_fractions
    assert found == {"image": 3 / (3 + num_good), "phrase": 1 / (1 + num_good)}


def test_a_single_image_that_is_bad_is_all():
    assert summarise([unusable("b.jpg")]).bad_fractions == {"image": 1, "phrase": 0}


def test_too_many_bad_records_stop_with_cause_and_example():
    readings = [reading("a", "train", 9), reading("b", "val", 90, empty("b/9"))]
    summary = summarise(readings)
    check_usable("tiny", summary, 0.01, is_trained_on=True)
    with pytest.raises(InputError, match=r"tiny.*1\.0%.*1 x empty.*b/9"):
        check_usable("tiny", summary, 0.0099, is_trained_on=True)


def test_many_phrases_do_not_hide_missing_images():
    readings = [reading("a", "train", 900), reading("b", "val", 900), unusable("c.jpg")]
    with pytest.raises(InputError, match=r"33\.3%"):
        check_usable("tiny", summarise(readings), 0.01, is_trained_on=False)


@pytest.mark.parametrize("is_trained_on", [True, False])
@pytest.mark.parametrize("readings", [[], [reading("a", "train", 3)]])
def test_a_data_set_without_evaluation_phrases_is_refused(readings, is_trained_on):
    with pytest.raises(InputError, match="phrases to evaluate"):
        check_usable("tiny", summarise(readings), 0.5, is_trained_on)


def test_a_data_set_needs_training_phrases_only_where_it_is_trained_on():
    summary = summarise([reading("a", "val", 3)])
    check_usable("tiny", summary, 0.5, is_trained_on=False)
    with pytest.raises(InputError, match=r"run\.targets"):
        check_usable("tiny", summary, 0.5, is_trained_on=True)


PUBLISHED = Published("x", {"train": (1, 3), "val": (1000, 14433), "test": (0, 0)}, "by hand")


def test_counts_stand_beside_the_published_ones_and_remarks_below():
    readings = [reading("a", "train", 3), reading("b", "val", 2)]
    summary = summarise(readings, remarks=["computed"], published=PUBLISHED)
    assert describe_counts(summary) == [
        "train: 3 phrases on 1 images; as published",
        "val: 2 phrases on 1 images; published: 14,433 on 1,000",
        "train: 2 phrases repeat another of the same image",
        "val: 1 phrases repeat another of the same image",
        "by hand",
        "computed",
    ]


def test_a_published_split_that_is_not_there_is_told():
    summary = summarise([reading("a", "train", 1)], published=PUBLISHED)
    assert "val: none; published: 14,433" in describe_counts(summary)


def test_missing_splits_are_sorted_and_what_has_no_remark_has_no_line():
    published = Published("x", {"val": (1, 2), "train": (3, 4), "test": (5, 6)})
    assert describe_counts(summarise([], published=published)) == [
        "test: none; published: 6",
        "train: none; published: 4",
        "val: none; published: 2",
    ]


def test_an_image_that_two_splits_list_is_told():
    readings = [reading("a", "train", 1), reading("a", "val", 1), reading("b", "val", 1)]
    told = describe_counts(summarise(readings))
    assert told[2:] == ["train, val: 1 images are listed by both, such as a.jpg"]


def test_what_was_bad_before_an_image_was_read_counts():
    summary = summarise([reading("a", "train", 3)], [empty("ref 7")])
    assert summary.bad["empty"].examples == ("ref 7",)
    assert summary.bad_fractions == {"image": 0, "phrase": 1 / 4}


def test_copies_under_other_names_are_told():
    readings = [
        replace(reading(name, split, 1), file_mark="7-f")
        for name, split in (("a", "train"), ("b", "val"))
    ]
    told = describe_counts(summarise(readings))
    assert told[2:] == ["train, val: 1 images are copies under other names, such as a.jpg = b.jpg"]


def test_causes_are_sorted_and_can_be_shown_whatever_a_file_put_into_them():
    bad = [BadRecord("phrase", cause, "d\udcff") for cause in ("late", "early \ud800", "late")]
    counts = summarise([], bad).bad
    assert [*counts] == ["early \\ud800", "late"]
    assert [(one.kind, one.count) for one in counts.values()] == [("phrase", 1), ("phrase", 2)]
    assert counts["late"].examples == ("d\\udcff",) * 2
