import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.duplicates import mark_file
from pipeline.datasets.reading import BadRecord
from pipeline.datasets.referring import Referral, ReferringData, plan_referring
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord

BOX = [1, 2, 3, 4]


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png", "c.png", "a.jpg"):
        Image.fromarray(np.zeros((37, 61, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def referral(phrase_id, picture="a.png", split="val", phrase="a dog", boxes=(BOX,), **more):
    return Referral(phrase_id, picture, split, phrase, tuple(boxes), **more)


def plan(images, *referrals, limits=(0, 0), bad=()):
    return plan_referring(ReferringData(referrals, "xyxy", bad), images, *limits)


def read(images, *referrals):
    given = plan(images, *referrals)
    return [given.read(item) for item in given.items]


def causes(reading):
    return [(problem.kind, problem.cause) for problem in reading.bad]


def test_a_picture_gives_its_phrases_and_in_evaluation_their_boxes(images):
    [reading] = read(
        images,
        referral("1", kinds=("animals",), sentence="see a dog", span=(4, 9)),
        referral("2", boxes=[BOX, [5, 6, 61, 37]]),
    )
    assert reading.image == ImageRecord("a", "a.png", (37, 61), "val")
    assert reading.phrases == (
        PhraseRecord("1", "a", "val", "a dog", "see a dog", (4, 9)),
        PhraseRecord("2", "a", "val", "a dog"),
    )
    assert reading.ground_truth == (
        GroundTruth("1", ((1, 2, 3, 4),), ("animals",)),
        GroundTruth("2", ((1, 2, 3, 4), (5, 6, 61, 37))),
    )
    assert reading.bad == ()
    assert reading.file_mark == mark_file(images / "a.png")


def test_the_remarks_of_a_reader_are_kept(images):
    given = plan_referring(ReferringData([referral("1")], "xyxy", (), ("a", "b")), images, 0, 0)
    assert given.remarks == ("a", "b")


@pytest.mark.parametrize(
    "more",
    [
        {"phrase": "a \ud800 dog"},
        {"phrase": "a \x00 dog"},
        {"sentence": "see \udfff"},
        {"kinds": ("animals", "\ud83d")},
        {"split": "v\udc80"},
        {"picture": "a\x00.png"},
        {"picture": "\udcff.png"},
        {"picture": "9" * 400 + ".png"},
    ],
)
def test_a_text_that_no_file_can_hold_is_bad_and_the_rest_is_read(images, more):
    given = plan(images, referral("1", **more), referral("2"))

    assert [one.phrase_id for item in given.items for one in item.referrals] == ["2"]
    assert [problem.kind for problem in given.bad] == ["phrase"]
    assert given.bad[0].detail.startswith("1:")


def test_an_id_that_no_file_can_hold_is_bad(images):
    given = plan(images, referral("\ud800"), referral("2"))

    assert [one.phrase_id for item in given.items for one in item.referrals] == ["2"]


def test_a_number_of_hundreds_of_digits_is_no_box(images):
    [reading] = read(images, referral("1", boxes=[[1, 2, 3, 10**400]]))

    assert causes(reading) == [("phrase", "a box is not four finite numbers: skipped")]


def test_training_boxes_do_not_reach_the_items_and_bad_ones_do_no_harm(images):
    given = plan(images, referral("1", split="train", boxes=[["nan", None]]))
    assert [one.boxes for item in given.items for one in item.referrals] == [()]
    reading = given.read(given.items[0])
    assert (len(reading.phrases), reading.ground_truth, reading.bad) == (1, (), ())


def test_training_comes_first_and_splits_keep_the_order_of_the_files(images):
    told = [
        referral("1", "b.png", "testB"),
        referral("2", "a.png", "testA"),
        referral("3", "c.png", "train"),
        referral("4", "b.png", "testB"),
    ]
    items = plan(images, *told).items
    assert [(item.split, item.file, len(item.referrals)) for item in items] == [
        ("train", "c.png", 1),
        ("testB", "b.png", 2),
        ("testA", "a.png", 1),
    ]


def test_an_image_of_two_splits_is_two_images_of_one_file(images):
    items = plan(images, referral("1"), referral("2", split="train"), referral("3")).items
    assert [(item.image_id, item.file, item.split) for item in items] == [
        ("a", "a.png", "train"),
        ("a@val", "a.png", "val"),
    ]


def test_pictures_that_differ_in_their_suffix_have_ids_of_their_own(images):
    items = plan(
        images, referral("1"), referral("2", "a.jpg"), referral("3", "a.jpg", "test")
    ).items
    assert len({item.image_id for item in items}) == len(items) == 3
    told = [referral("1", split="train"), referral("2"), referral("3", "a.jpg"), referral("4", "d")]
    items = plan(images, *told).items
    assert [item.image_id for item in items] == ["a", "a@val", "a.jpg@val", "d"]


def test_only_the_first_images_of_each_split_are_taken(images):
    told = [referral(f"{split}{n}", f"{n}.png", split) for split in ("train", "val") for n in "abc"]
    items = plan(images, *told, limits=(1, 2)).items
    assert [item.file for item in items] == ["a.png", "a.png", "b.png"]


def test_an_id_that_comes_twice_is_counted_and_the_first_stays(images):
    given = plan(
        images, referral("1"), referral("1", phrase="another"), bad=[BadRecord("phrase", "x", "y")]
    )
    assert [one.phrase for item in given.items for one in item.referrals] == ["a dog"]
    assert given.bad == (
        BadRecord("phrase", "x", "y"),
        BadRecord("phrase", "an id occurs twice: the first stays", "1"),
    )


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("phrase", ["", "  ", "\n\t", "\u00a0\u2003"])
def test_an_empty_phrase_is_counted(images, split, phrase):
    [reading] = read(images, referral("1", phrase=phrase, split=split), referral("2", split=split))
    assert [one.phrase_id for one in reading.phrases] == ["2"]
    assert causes(reading) == [("phrase", "the phrase has no words")]


def test_spaces_are_joined_and_other_characters_kept(images):
    [reading] = read(images, referral("1", phrase=" crème \t  brûlée 🍮\n"))
    assert reading.phrases[0].phrase == "crème brûlée 🍮"


def test_a_missing_picture_and_a_truncated_one_are_bad_images(images):
    (images / "c.png").write_bytes((images / "c.png").read_bytes()[:-30])
    readings = read(images, referral("1", "z.png"), referral("2", "c.png"))
    assert [causes(reading) for reading in readings] == [
        [("image", "the image cannot be read")],
        [("image", "the image cannot be read")],
    ]
    assert "z.png" in readings[0].bad[0].detail


def test_a_picture_of_another_size_than_the_annotated_one_is_a_bad_image(images):
    [reading] = read(images, referral("1", declared_hw=(61, 37)))
    assert causes(reading) == [("image", "the image has another size than the annotated one")]
    assert "(61, 37) pixels (height, width), but has (37, 61)" in reading.bad[0].detail


@pytest.mark.parametrize(
    ("boxes", "kept", "cause"),
    [
        ([], 0, "the phrase has no box: skipped"),
        ([[1, 2, float("nan"), 4]], 0, "a box is not four finite numbers: skipped"),
        ([[100, 2, 130, 4]], 0, "a box has no area in its image: skipped"),
        (
            [[30, 20, 10, 9]],
            0,
            "a box does not fit its image as corners, but as x, y, width, height: skipped",
        ),
        ([[-9, 2, 30, 40]], 1, "a box reaches out of its image: clipped"),
        ([[100, 2, 130, 4], BOX], 1, "a box has no area in its image: skipped"),
    ],
)
def test_bad_boxes_are_told_and_a_phrase_without_a_good_one_is_left_out(images, boxes, kept, cause):
    [reading] = read(images, referral("id-1", boxes=boxes))
    assert len(reading.phrases) == len(reading.ground_truth) == kept
    assert causes(reading) == [("phrase", cause)]
    assert "id-1" in reading.bad[0].detail


def test_a_picture_of_another_folder_does_not_take_the_place_of_a_missing_one(images):
    (images / "garden").mkdir()
    (images / "c.png").rename(images / "garden" / "1.png")
    missing, present = read(images, referral("1", "kitchen/1.png"), referral("2", "garden/1.png"))
    assert causes(missing) == [("image", "the image cannot be read")]
    assert "kitchen/1.png" in missing.bad[0].detail
    assert present.image.file == "garden/1.png"


def test_a_picture_whose_name_two_folders_hold_is_a_bad_image(images):
    for folder, size_wh in (("garden", (7, 5)), ("kitchen", (5, 7))):
        (images / folder).mkdir()
        Image.new("RGB", size_wh).save(images / folder / "1.png")
    [item] = plan(images, referral("1", "1.png")).items
    assert (item.image_id, item.file, item.split) == ("1", "1.png", "val")
    [reading] = read(images, referral("1", "1.png"))
    assert causes(reading) == [("image", "the name of the image fits several files")]
    assert "garden/1.png" in reading.bad[0].detail
    assert "kitchen/1.png" in reading.bad[0].detail


def test_boxes_of_shares_are_counted(images):
    [reading] = read(images, referral("1", boxes=[[0.09, 0.03, 0.47, 0.47]]))
    assert reading.phrases == ()
    assert "shares" in reading.bad[0].cause
