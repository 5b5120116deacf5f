import math

import pytest

from models.given_files.safe_load import ModelFileError
from models.noun_classes.wordnet import read_wordnet
from tests.tiny_wordnet import write_tiny_wordnet


@pytest.fixture
def wordnet(tmp_path):
    return read_wordnet(write_tiny_wordnet(tmp_path))


def test_senses_keep_their_order_and_compounds_get_blanks(wordnet):
    assert wordnet.senses["jacket"] == (4100, 4200)
    assert wordnet.senses["book jacket"] == (4200,)
    assert wordnet.senses["canis familiaris"] == (2100,)


def test_only_kinds_of_a_thing_are_in_its_closure(wordnet):
    assert wordnet.closure(2100) == {2100, 2200, 2300}
    assert wordnet.closure(5200) == {5200}
    assert len(wordnet.closure(1740)) == 11


def test_what_a_sense_is_a_kind_of_ends_at_the_top(wordnet):
    assert wordnet.above(2200) == {2200, 2100, 1740}
    assert wordnet.above(1740) == {1740}


def test_information_is_one_without_kinds_and_zero_at_the_top(wordnet):
    assert wordnet.information(5200) == 1
    assert wordnet.information(1740) == 0
    assert wordnet.information(2100) == pytest.approx(1 - math.log(3) / math.log(11))


def test_two_kinds_are_as_like_as_what_they_have_in_common_is_specific(wordnet):
    assert wordnet.similarity(2200, 2300, 2100) == pytest.approx(1 - math.log(3) / math.log(11))
    canoe = 1 - math.log(2) / math.log(11)
    assert wordnet.similarity(5200, 5100, 5100) == pytest.approx(2 * canoe / (1 + canoe))


def test_the_words_of_a_sense_are_counted_in_hexadecimal(tmp_path):
    words = " ".join(f"word{number} 0" for number in range(0x1A))
    (tmp_path / "data.noun").write_text(
        f"00000002 03 n 1a {words} 001 ~ 00000007 n 0000 | many words\n"
        "00000007 03 n 01 word 0 001 @ 00000002 n 0000 | one\n"
    )
    (tmp_path / "index.noun").write_text("word n 1 0 1 0 00000007  \n")
    assert read_wordnet(tmp_path).above(7) == {2, 7}


@pytest.mark.parametrize("name", ["data.noun", "index.noun"])
def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path, wordnet, name):
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes())
    again = read_wordnet(tmp_path)
    assert (again.synsets, again.senses) == (wordnet.synsets, wordnet.senses)


@pytest.mark.parametrize("name", ["data.noun", "index.noun"])
def test_a_missing_or_foreign_file_is_one_clear_error(tmp_path, name):
    folder = write_tiny_wordnet(tmp_path)
    (folder / name).write_text("something else entirely\n")
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        read_wordnet(folder)
    (folder / name).write_text("<html>")
    with pytest.raises(ModelFileError, match=rf"{name}.*web page"):
        read_wordnet(folder)
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        read_wordnet(folder)


@pytest.mark.parametrize(
    ("kept", "word"),
    [
        (slice(9), "dog n 1 0 1 0 00002100"),  # entity's hyponyms are cut off, no word's sense is
        (slice(5, None), "jacket n 1 0 1 0 00004100"),  # of whose sense the hypernym is cut off
        (slice(None), "cat n 1 0 1 0 00009999"),  # of another version
    ],
)
def test_senses_that_are_named_and_not_there_are_one_clear_error(tmp_path, kept, word):
    folder = write_tiny_wordnet(tmp_path)
    lines = (folder / "data.noun").read_text().splitlines(keepends=True)
    (folder / "data.noun").write_text("".join(lines[kept]))
    (folder / "index.noun").write_text(f"{word}  \n")
    with pytest.raises(ModelFileError, match=r"data\.noun"):
        read_wordnet(folder)
