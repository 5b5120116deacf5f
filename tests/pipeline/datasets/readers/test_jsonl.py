import json

import pytest

from pipeline.datasets.readers.jsonl import read_own_lines
from pipeline.errors import InputError
from pipeline.params.datasets import OwnDataset

WHOLE = {
    "image": "a/1.png",
    "phrase": "the dog",
    "boxes_xyxy": [[0, 0, 5, 4], [1, 2, 3, 4.5]],
    "id": "mine-7",
    "sentence": "See the dog.",
    "span": [4, 11],
    "kinds": ["animals"],
}


def read(root):
    return read_own_lines("mine", OwnDataset("jsonl", str(root), "unused", 0, 0)).referrals


def write(root, split, *rows):
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (root / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    write(tmp_path, "train", {"image": "b.png", "phrase": "чашка ☕"}, "", "  ")
    return tmp_path


def test_all_that_a_line_may_say_is_kept(root):
    write(root, "mytest", WHOLE)
    one = read(root)[0]
    assert (one.phrase_id, one.picture, one.split) == ("mine-7", "a/1.png", "mytest")
    assert one.boxes == ([0, 0, 5, 4], [1, 2, 3, 4.5])
    assert (one.kinds, one.sentence, one.span) == (("animals",), "See the dog.", (4, 11))


def test_a_line_needs_an_image_and_a_phrase_only_and_is_named_by_its_number(root):
    write(
        root, "train", {"image": "b.png", "phrase": "x"}, "", {"image": "c", "phrase": "чашка ☕"}
    )
    assert [(one.phrase_id, one.phrase) for one in read(root)] == [
        ("train/1", "x"),
        ("train/3", "чашка ☕"),
    ]


@pytest.mark.parametrize("character", "\u2028\u2029\x85")
def test_no_character_but_a_line_feed_ends_a_line(root, character):
    rows = [{"image": "b.png", "phrase": f"a{character}cup"}, {"image": "c.png", "phrase": "x"}]
    write(root, "train", *rows)
    assert [(one.phrase_id, one.phrase) for one in read(root)] == [
        ("train/1", f"a{character}cup"),
        ("train/2", "x"),
    ]


def test_a_byte_order_mark_and_side_files_of_a_mac_do_no_harm(root):
    (root / "._train.jsonl").write_bytes(b"\x00\x05\x16\x07\xff")
    path = root / "train.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [one.phrase_id for one in read(root)] == ["train/1"]


@pytest.mark.parametrize(
    "line",
    [
        '{"image": "b.png", "phrase": "x", "id": null}',
        '{"image": "b.png", "phrase": "x", "id": [1]}',
        '{"image": "b.png", "phrase": "x", "id": true}',
        '{"image": "b.png", "phrase": "x", "id": ' + "9" * 5000 + "}",
        '{"image": "b.png", "phrase": "x", "phrase": "y"}',
        "[" * 100_000,
    ],
)
def test_a_line_that_cannot_be_meant_is_named(root, line):
    write(root, "val", WHOLE, line)
    with pytest.raises(InputError, match=r"val\.jsonl:2: "):
        read(root)


def test_boxes_of_training_lines_are_not_looked_at(root):
    write(root, "train", {**WHOLE, "boxes_xyxy": "anything"})
    assert read(root)[0].boxes == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "JSON"),
        ("[]", "JSON"),
        ({"image": "a"}, "phrase"),
        ({"image": 3, "phrase": "x"}, "image"),
        ({**WHOLE, "boxes": []}, "'boxes' is unknown; known: image, phrase, boxes_xyxy"),
        ({**WHOLE, "boxes_xyxy": [0, 0, 5, 4]}, "boxes_xyxy"),
        ({**WHOLE, "boxes_xyxy": {}}, "boxes_xyxy"),
        ({**WHOLE, "span": [1]}, "span"),
        ({**WHOLE, "span": [1, 2, 3]}, "span"),
        ({**WHOLE, "span": [1, "2"]}, "span"),
        ({**WHOLE, "span": "12"}, "span"),
        ({**WHOLE, "kinds": "animals"}, "kinds"),
        ({**WHOLE, "kinds": ["animals", 7]}, "kinds"),
        ({**WHOLE, "sentence": 5}, "sentence"),
    ],
)
def test_a_line_of_another_kind_is_named_with_its_number(root, row, message):
    write(root, "val", WHOLE, row)
    with pytest.raises(InputError, match=rf"val\.jsonl:2\b.*{message}\b"):
        read(root)


def test_a_file_that_is_not_utf8_is_named(root):
    (root / "val.jsonl").write_bytes('{"image": "a", "phrase": "café"}'.encode("latin-1"))
    with pytest.raises(InputError, match=r"val\.jsonl"):
        read(root)


def test_a_byte_order_mark_and_odd_line_breaks_in_texts_do_no_harm(root):
    text = json.dumps({"image": "a", "phrase": "x\u2028y"}, ensure_ascii=False)
    (root / "train.jsonl").write_text("\ufeff" + text + "\r\n", encoding="utf-8")
    assert [one.phrase for one in read(root)] == ["x\u2028y"]


def test_there_must_be_a_file(tmp_path):
    with pytest.raises(InputError, match=r"datasets\.mine\.root"):
        read(tmp_path)


def test_a_split_to_train_on_is_not_needed_to_read_the_others(tmp_path):
    write(tmp_path, "val", WHOLE)
    assert [one.split for one in read(tmp_path)] == ["val"]


def test_what_is_told_of_a_predicted_box_is_no_unknown_key(root):
    write(root, "val", WHOLE | {"score": 0.25, "confidence": 0.5})
    assert read(root)[-1].phrase_id == "mine-7"


def test_a_line_may_be_named_by_a_number_and_say_nothing_of_its_sentence(root):
    write(root, "val", {"image": "b.png", "phrase": "x", "id": 7, "sentence": None, "span": None})
    one = read(root)[-1]
    assert (one.phrase_id, one.boxes, one.kinds) == ("7", (), ())
    assert (one.sentence, one.span) == (None, None)


def test_files_are_read_in_the_order_of_their_names_also_where_one_of_them_is_named(root):
    splits = sorted(["test", "val", "testA", "testB", "a", "z", "m", "k"])
    for split in reversed(splits):
        write(root, split, WHOLE)
    splits = sorted([*splits, "train"])
    assert [one.split for one in read(root)] == splits
    assert [one.split for one in read(root / "val.jsonl")] == splits


def test_a_web_page_in_place_of_lines_is_named(root):
    (root / "train.jsonl").write_text("<!DOCTYPE html><title>404</title>")
    with pytest.raises(InputError, match=r"train\.jsonl.*web page"):
        read(root)
