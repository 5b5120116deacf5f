import errno
import shutil
from pathlib import Path

import pytest
from safetensors import SafetensorError

from pipeline.caching.atomic import WriteError, make_folder, whole_file, whole_folder, work_folder


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
    others = [".b.json.0.lock", ".b.json.0.partial", "a.json.partial"]
    for name in (".a.json.0.lock", ".a.json.0.partial", *others):
        (tmp_path / name).write_text("half")
    with whole_file(tmp_path / "a.json") as partial:
        partial.write_text("new")
    assert names(tmp_path) == sorted(["a.json", *others])


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.json"
    with whole_file(path) as first:
        first.write_text("first")
        with whole_file(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a.json"]


def test_the_work_folder_lies_below_dvc_s_root_and_is_made_for_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert work_folder("cams", "f00d") == Path(".work/cams/f00d")
    monkeypatch.setenv("DVC_ROOT", "/root/of/dvc")
    assert work_folder("cams", "f00d") == Path("/root/of/dvc/.work/cams/f00d")
    assert not [*tmp_path.iterdir()]


def test_a_folder_appears_when_the_block_ends_in_place_of_an_old_one(tmp_path):
    path = tmp_path / "below" / "model"
    for content in ("first", "second"):
        (tmp_path / "below" / ".model.0.partial").mkdir(parents=True)  # of a killed writer
        (tmp_path / "below" / ".model.0.partial" / "half").touch()
        (tmp_path / "below" / ".model.0.lock").touch()
        with whole_folder(path) as partial:
            (partial / "inside").mkdir()
            (partial / "inside" / content).write_text(content)
            assert not (path / "inside" / content).exists()
        assert names(path / "inside") == [content]
        assert names(path) == ["inside"]
        assert names(path.parent) == ["model"]


def test_an_error_in_the_block_leaves_the_old_folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "model") as partial:
        (partial / "new").write_text(str(1 / 0))
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["old"]


def test_a_folder_is_made_once(tmp_path):
    fillings = []

    def fill(folder):
        fillings.append(folder)
        (folder / "a").touch()

    assert [make_folder(tmp_path / "x", fill) for _ in range(2)] == [True, False]
    assert (len(fillings), names(tmp_path / "x")) == (1, ["a"])


def test_of_two_that_make_a_folder_at_a_time_the_first_to_end_makes_it(tmp_path):
    def fill(folder):
        assert make_folder(tmp_path / "x", lambda other: (other / "other").touch())
        (folder / "own").touch()

    assert not make_folder(tmp_path / "x", fill)
    assert names(tmp_path / "x") == ["other"]
    assert names(tmp_path) == ["x"]


def test_a_link_to_an_old_file_keeps_what_it_had(tmp_path):
    (tmp_path / "cache").write_text("old")
    (tmp_path / "hard").hardlink_to(tmp_path / "cache")
    (tmp_path / "soft").symlink_to(tmp_path / "cache")
    for name in ("hard", "soft"):
        with whole_file(tmp_path / name) as partial:
            partial.write_text("new")
        assert (tmp_path / name).read_text() == "new"
    assert (tmp_path / "cache").read_text() == "old"


def test_a_folder_in_place_of_the_file_is_one_line(tmp_path):
    (tmp_path / "a.json").mkdir()
    (tmp_path / "b.json").touch()
    with (
        pytest.raises(WriteError, match=r"a\.json: .*is a directory"),
        whole_file(tmp_path / "a.json") as partial,
    ):
        partial.write_text("new")
    for whole in (whole_file, whole_folder):
        with (
            pytest.raises(WriteError, match=r"b\.json/c: .*not a directory|file exists"),
            whole(tmp_path / "b.json" / "c"),
        ):
            pass
    assert names(tmp_path) == ["a.json", "b.json"]


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_full_disk_is_one_line_and_other_errors_of_the_block_stay(tmp_path, whole):
    with pytest.raises(WriteError, match=r"a: .*no space left"), whole(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "full")
    for told in (
        SafetensorError("I/O error (os error 28)"),
        shutil.Error([("b", "a", "[Errno 28]")]),
    ):
        with pytest.raises(WriteError, match=r"a: .*no space left"), whole(tmp_path / "a"):
            raise told
    with pytest.raises(SafetensorError), whole(tmp_path / "a"):
        raise SafetensorError("no header")
    with pytest.raises(PermissionError), whole(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "of another file")
    with pytest.raises(RuntimeError), whole(tmp_path / "a"):
        raise RuntimeError
    assert names(tmp_path) == []
