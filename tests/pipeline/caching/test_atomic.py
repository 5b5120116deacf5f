import pytest

from pipeline.caching.atomic import whole_file


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "below" / "a.json"
    with whole_file(path) as partial:
        partial.write_text("new")
        assert partial.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(path.parent) == ["a.json"]


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), whole_file(path) as partial:
        partial.write_text("written, then \ud800", encoding="utf-8")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_what_a_killed_writer_left_is_removed_and_other_files_are_not(tmp_path):
    for name in (".a.json.0.partial", ".b.json.0.partial", "a.json.partial"):
        (tmp_path / name).write_text("half")
    with whole_file(tmp_path / "a.json") as partial:
        partial.write_text("new")
    assert names(tmp_path) == [".b.json.0.partial", "a.json", "a.json.partial"]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.json"
    with whole_file(path) as first:
        first.write_text("first")
        with whole_file(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a.json"]
