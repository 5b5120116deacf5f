import ast
import errno
import fcntl
import os
import re
import shutil
from pathlib import Path

import pytest
from safetensors import SafetensorError

from pipeline.caching.atomic import (
    WriteError,
    as_write_error,
    make_folder,
    remove_partial_of_the_killed,
    whole_file,
    whole_folder,
    work_folder,
)
from tests.conftest import ROOT


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "far" / "below" / "a.json"
    with whole_file(path) as partial:
        partial.write_text("new")
        assert partial.parent == path.parent
        assert not path.exists()
        assert all(re.fullmatch(r"\.a\.json\.\w+\.(partial|lock)", n) for n in names(path.parent))
        assert len(names(path.parent)) == 2
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


def test_a_lock_that_somebody_has_removed_does_no_harm(tmp_path):
    with whole_file(tmp_path / "a.json") as partial:
        partial.write_text("new")
        for lock in tmp_path.glob(".a.json.*.lock"):
            lock.unlink()
    assert (tmp_path / "a.json").read_text() == "new"
    assert names(tmp_path) == ["a.json"]


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


def modes_of_opening(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("open", "File"):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (value.value for value in given if isinstance(value, ast.Constant))


def test_no_source_opens_a_file_to_change_it():
    # a hard link into DVC's cache must never be written through; answers go to a person's own file
    floors = ("camground", "stages", "pipeline", "models")
    sources = {path for name in floors for path in (ROOT / name).rglob("*.py")}
    sources.remove(ROOT / "pipeline/serving/answer_file.py")
    opened = {mode for path in sources for mode in modes_of_opening(path.read_text("utf-8"))}
    assert "r" in opened
    assert not opened & {"a", "ab", "a+", "r+", "r+b", "rb+", "w+", "x"}


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_what_an_error_of_the_disk_led_to_is_told_as_that_error(tmp_path, number):
    told = pytest.raises(WriteError, match=rf"a: .*{os.strerror(number).lower()}")
    with told, whole_file(tmp_path / "a"):
        try:
            raise OSError(number, "of the disk")
        except OSError:
            raise RuntimeError("can't close file")  # noqa: B904 - as h5py does


def test_a_file_in_place_of_a_folder_that_is_made_is_one_line(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(WriteError, match=r"x: .*not a directory"):
        make_folder(tmp_path / "x", lambda folder: (folder / "a").touch())
    assert names(tmp_path) == ["x"]


def test_what_tells_of_no_disk_stays_where_all_errors_of_the_disk_are_turned(tmp_path):
    with pytest.raises(RuntimeError, match="out of memory"), as_write_error(tmp_path):
        raise RuntimeError("out of memory")
    with pytest.raises(WriteError, match="permission denied"), as_write_error(tmp_path):
        raise PermissionError(errno.EACCES, "refused")


@pytest.fixture
def flushed(monkeypatch):
    """Return a list that gets the path of whatever is put on the disk, under its name by then."""
    paths, fsync = [], os.fsync

    def noted(handle):
        paths.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    return paths


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_after(tmp_path, flushed):
    with whole_file(tmp_path / "a.json") as partial:
        partial.write_text("new")
    assert flushed == [partial, tmp_path]
    with whole_file(tmp_path / "b.json", flush=False) as partial:
        partial.write_text("new")
    assert flushed == [flushed[0], tmp_path]


def test_a_folder_is_on_the_disk_with_all_in_it_before_it_has_its_name(tmp_path, flushed):
    def fill(folder):
        (folder / "inside").mkdir()
        (folder / "inside" / "a").touch()

    with whole_folder(tmp_path / "x") as partial:
        fill(partial)
    *before, last = flushed
    assert sorted(before) == [partial, partial / "inside", partial / "inside" / "a"]
    assert last == tmp_path
    flushed.clear()
    opened = len(names(Path("/proc/self/fd")))
    make_folder(tmp_path / "y", fill)
    assert (len(flushed), flushed[-1]) == (4, tmp_path)
    assert len(names(Path("/proc/self/fd"))) == opened


def test_a_lock_whose_writer_ends_as_it_is_looked_at_is_no_error(tmp_path, monkeypatch):
    lock, flock = tmp_path / ".a.0.lock", fcntl.flock

    def after_the_writer(handle, operation):
        lock.unlink()
        flock(handle, operation)

    lock.touch()
    monkeypatch.setattr(fcntl, "flock", after_the_writer)
    assert remove_partial_of_the_killed(lock)
    assert not remove_partial_of_the_killed(lock)


def test_no_file_stays_open_for_a_lock_of_somebody_else(tmp_path):
    (tmp_path / ".a.json.0.lock").touch()
    opened = len(names(Path("/proc/self/fd")))
    with whole_file(tmp_path / "a.json") as first, whole_file(tmp_path / "a.json") as second:
        first.touch()
        second.touch()
    assert len(names(Path("/proc/self/fd"))) == opened
