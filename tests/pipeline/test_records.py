import json
import os
import pickle
from dataclasses import asdict

import pytest

from pipeline.errors import InputError
from pipeline.records import (
    FieldTexts,
    GroundTruth,
    ImageRecord,
    PhraseRecord,
    RecordFile,
    read_records,
    write_records,
)

IMAGES = [
    ImageRecord("1", "a/b.jpg", (3, 5), "train"),
    ImageRecord("2\n", "猫 é.png", (7, 2), "val"),
]
PHRASES = [
    PhraseRecord("1", "1", "train", "the café\u2019s\u2028«red» door"),
    PhraseRecord("2", "1", "train", "dog", "a \\ dog\tand\r\n a cat", (4, 7)),
]
SMALLEST = [ImageRecord("", "", (1, 1), "")]
TRUTHS = [GroundTruth("1", ((0.0, 1.5, 3.0, 4.25),), ("people",)), GroundTruth("2", ())]


@pytest.mark.parametrize("records", [IMAGES, PHRASES, TRUTHS, SMALLEST])
def test_records_are_read_as_they_were_written(tmp_path, records):
    path = tmp_path / "far" / "below" / "records.jsonl"
    write_records(path, records)
    assert read_records(path, type(records[0])) == records
    assert len(path.read_bytes().splitlines()) == len(records)


@pytest.mark.parametrize("kind", [ImageRecord, PhraseRecord, GroundTruth])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b'{"image_id": ' + b"1" * 5000 + b"}"])
def test_a_table_that_is_missing_empty_or_no_text_is_refused(tmp_path, kind, content):
    path = tmp_path / "table.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"table\.jsonl.*dvc repro -f annotations"):
        read_records(path, kind)


def test_a_file_holds_plain_json_in_field_order(tmp_path):
    write_records(tmp_path / "records.jsonl", TRUTHS[:1] + IMAGES[1:])
    assert (tmp_path / "records.jsonl").read_bytes().decode() == (
        '{"phrase_id": "1", "boxes_xyxy": [[0.0, 1.5, 3.0, 4.25]], "kinds": ["people"]}\n'
        '{"image_id": "2\\n", "file": "猫 é.png", "image_hw": [7, 2], "split": "val"}\n'
    )


@pytest.mark.parametrize(
    "line", ["{", "3", "[]", "null", "", '{"phrase_id": "1"}', '{"image_id": "1", "more": 1}']
)
def test_a_bad_line_is_named_with_its_file(tmp_path, line):
    path = tmp_path / "phrases.jsonl"
    write_records(path, PHRASES)
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"phrases\.jsonl:3.*PhraseRecord"):
        read_records(path, PhraseRecord)


def test_a_pipe_is_no_table(tmp_path):
    os.mkfifo(tmp_path / "images.jsonl")
    with pytest.raises(InputError, match=r"images\.jsonl.*pipe"):
        read_records(tmp_path / "images.jsonl", ImageRecord)


def test_a_phrase_record_has_no_place_for_boxes(tmp_path):
    write_records(tmp_path / "ground_truth.jsonl", TRUTHS)
    with pytest.raises(InputError, match="boxes_xyxy"):
        read_records(tmp_path / "ground_truth.jsonl", PhraseRecord)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("records", [IMAGES, PHRASES, TRUTHS])
def test_a_mapped_file_holds_what_is_read_whole(tmp_path, records, start):
    path = tmp_path / "records.jsonl"
    write_records(path, records)
    path.write_text(start + path.read_text("utf-8").rstrip("\n"), "utf-8")
    mapped = RecordFile(path, type(records[0]))
    assert [*mapped] == records == read_records(path, type(records[0]))
    assert (mapped[-1], mapped[:1]) == (records[-1], records[:1])
    assert [*pickle.loads(pickle.dumps(mapped))] == records
    with pytest.raises(IndexError):
        mapped[len(records)]


def test_a_mapped_file_keeps_the_splits_that_are_asked_for(tmp_path):
    write_records(tmp_path / "images.jsonl", IMAGES)
    assert [*RecordFile(tmp_path / "images.jsonl", ImageRecord, ["val", "new"])] == IMAGES[1:]
    assert len(RecordFile(tmp_path / "images.jsonl", ImageRecord, ["new"])) == 0


def test_a_mapped_file_is_checked_when_it_is_opened(tmp_path):
    path = tmp_path / "images.jsonl"
    write_records(path, [*IMAGES, PHRASES[0]])
    with pytest.raises(InputError, match=r"images\.jsonl:3.*ImageRecord"):
        RecordFile(path, ImageRecord, ["val"])


def test_a_field_of_records_has_the_hashes_of_its_texts_however_they_are_held(tmp_path):
    write_records(tmp_path / "images.jsonl", IMAGES)
    kept = RecordFile(tmp_path / "images.jsonl", ImageRecord, ["val"], hashed=["image_id"])
    computed = RecordFile(tmp_path / "images.jsonl", ImageRecord, ["val"])
    for records in (kept, computed, IMAGES[1:]):
        texts = FieldTexts(records, "image_id")
        assert ([*texts], texts.hashes().tolist()) == (["2\n"], [hash("2\n")])
    elsewhere = pickle.loads(pickle.dumps(kept))  # where texts may have other hashes
    assert (elsewhere.hashes, [*elsewhere]) == ({}, IMAGES[1:])


def phrase_line(**changes):
    return json.dumps(asdict(PHRASES[1]) | changes)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (ImageRecord, '{"image_id": 1, "file": "a", "image_hw": [3, 5], "split": "val"}'),
        (ImageRecord, '{"image_id": "1", "file": "a", "image_hw": [3, "5"], "split": "val"}'),
        (ImageRecord, '{"image_id": "1", "file": "a", "image_hw": [3, 0], "split": "val"}'),
        (ImageRecord, '{"image_id": "1", "file": "a", "image_hw": [true, 5], "split": "val"}'),
        (ImageRecord, '{"image_id": "1", "file": "a", "image_hw": [3, 5, 1], "split": "val"}'),
        (ImageRecord, '{"image_id": "1", "file": null, "image_hw": [3, 5], "split": "val"}'),
        (ImageRecord, '{"image_id": "1", "file": "a", "image_hw": [3, 5], "split": 1}'),
        (PhraseRecord, phrase_line(phrase_id=1)),
        (PhraseRecord, phrase_line(phrase=None)),
        (PhraseRecord, phrase_line(sentence=1)),
        (PhraseRecord, phrase_line(span=[1])),
        (PhraseRecord, phrase_line(span="12")),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": null}'),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": [1]}'),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": [[0, 1, 2, 3], [0, 1, 2, 3, 4]]}'),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": [[0, 1, 2, 3], [0, 1, 2, "3"]]}'),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": [], "kinds": ["people", 1]}'),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": [[0, 1, 2]]}'),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": [[0, 1, 2, NaN]]}'),
        (GroundTruth, f'{{"phrase_id": "1", "boxes_xyxy": [[0, 1, 2, 1{400 * "0"}]]}}'),
        (GroundTruth, f'{{"phrase_id": "1", "boxes_xyxy": {700 * "["}1{700 * "]"}}}'),
        (GroundTruth, f'{{"phrase_id": "1", "boxes_xyxy": {9999 * "["}1{9999 * "]"}}}'),
        (GroundTruth, '{"phrase_id": "1", "boxes_xyxy": [], "kinds": "people"}'),
    ],
)
def test_a_value_of_another_type_is_no_record(tmp_path, kind, line):
    (tmp_path / "table.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=rf"table\.jsonl:1: .*{kind.__name__}"):
        read_records(tmp_path / "table.jsonl", kind)
