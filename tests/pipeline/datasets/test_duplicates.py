from hashlib import sha256

from pipeline.datasets.duplicates import Shared, find_duplicates, mark_file
from pipeline.datasets.reading import ImageReading
from pipeline.records import ImageRecord, PhraseRecord


def reading(file, split, phrases=(), mark=""):
    image = ImageRecord(f"{file}@{split}", file, (3, 5), split)
    records = tuple(PhraseRecord(phrase, file, split, phrase) for phrase in phrases)
    return ImageReading(image, records, file_mark=mark)


def test_phrases_that_repeat_on_one_image_are_counted_whatever_their_case():
    readings = [
        reading("a", "train", ["A dog", "a dog", "a cat", "a DOG"]),
        reading("b", "train", ["a dog"]),
        reading("c", "val", ["a dog", "the dog"]),
    ]
    assert find_duplicates(readings).repeated_phrases == {"train": 2, "val": 0}


def test_a_file_that_several_splits_list_is_shared_by_each_two_of_them():
    readings = [reading("a", split, mark="m") for split in ("train", "val", "test")]
    found = find_duplicates([*readings, reading("b", "val", mark="n")])
    assert found.shared_files == {
        pair: Shared(1, ("a",)) for pair in ("train, val", "train, test", "val, test")
    }
    assert found.shared_copies == {}


def test_of_many_shared_files_the_first_five_are_examples():
    found = find_duplicates(reading(f"{n}", split) for split in ("a", "b") for n in range(7))
    assert found.shared_files == {"a, b": Shared(7, ("0", "1", "2", "3", "4"))}


def test_copies_under_other_names_are_found_across_splits_alone():
    readings = [
        reading("a", "train", mark="m"),
        reading("b", "train", mark="m"),
        reading("c", "val", mark="m"),
        reading("d", "val", mark="n"),
    ]
    assert find_duplicates(readings).shared_copies == {"train, val": Shared(1, ("a = c",))}


def test_what_has_no_mark_or_no_image_is_not_compared():
    found = find_duplicates([reading("a", "train"), reading("b", "val"), ImageReading(None)])
    assert (found.shared_files, found.shared_copies) == ({}, {})


def test_a_mark_tells_length_and_end(tmp_path):
    contents = {"a": b"x" * 9000, "b": b"x" * 9000, "c": b"x" * 9001, "d": b"x" * 8999 + b"y"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    marks = {name: mark_file(tmp_path / name) for name in contents}
    assert marks["a"] == marks["b"]
    assert len(set(marks.values())) == 3
    (tmp_path / "a").write_bytes(b"y" + b"x" * 8999)
    assert mark_file(tmp_path / "a") == marks["b"]
    for name, content in {"a": b"abc", "b": b"xbc"}.items():
        (tmp_path / name).write_bytes(content)
    assert mark_file(tmp_path / "a") != mark_file(tmp_path / "b")


def test_a_mark_looks_at_the_last_4096_bytes(tmp_path):
    for content, tail in ((b"", b""), (b"abc", b"abc"), (b"yx" + b"z" * 4095, b"x" + b"z" * 4095)):
        (tmp_path / "a").write_bytes(content)
        assert mark_file(tmp_path / "a") == f"{len(content)}-{sha256(tail).hexdigest()}"
