import fcntl
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.doctor.findings import Level
from pipeline.doctor.leftovers import (
    MANY_BYTES,
    check_leftovers,
    find_leftovers,
    main,
    remove_leftovers,
)
from pipeline.errors import InputError

LEFT = (
    ".work/weights/0f1e/classifier/weights.safetensors",
    ".work/cams/f00d/000000000-000000008.h5",
    ".work/train/feed/epoch_000001.pth",
    "data/shapes/.cams.h5.77.partial",
    "results/shapes/full/.model.78.partial/half",
    ".work/weights/hub/.stanza-x.79.partial/half",
)
LOCKS = (
    "data/shapes/.cams.h5.77.lock",
    "results/shapes/full/.model.78.lock",
    ".work/weights/hub/.stanza-x.79.lock",
)
KEPT = (
    ".work/seconds/cams@shapes/seconds.json",
    ".work/weights/hub/stanza-x/en.pt",
    "data/shapes/cams.h5",
)
SIZES = dict.fromkeys((".work/weights/0f1e", ".work/train/feed", *LOCKS), "0.0")
SIZES[".work/cams/f00d"] = "1.3"


@pytest.fixture
def here(tmp_path, monkeypatch):
    project = tmp_path / "project"
    for name in (*LEFT, *LOCKS, *KEPT):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(b"" if name in LOCKS else b"1234567")
    monkeypatch.chdir(project)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return project


def names(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files}


def test_all_that_is_left_behind_is_listed_with_its_size(here):
    found = {leftover.path.as_posix(): leftover.num_bytes for leftover in find_leftovers(Path())}
    places = [".work/weights/0f1e", ".work/cams/f00d", ".work/train/feed", *LOCKS]
    assert found == dict.fromkeys(places, 7)


def test_a_file_beside_the_folders_of_work_is_none(here):
    (here / ".work" / "cams" / "note").touch()
    assert ".work/cams/note" not in {one.path.as_posix() for one in find_leftovers(Path())}


def test_what_is_worth_keeping_stays_when_it_is_removed(here, monkeypatch, capsys):
    (here / LEFT[1]).write_bytes(b"0" * 1_260_000)
    monkeypatch.setattr(sys, "argv", ["leftovers"])
    main()
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert sorted(told) == sorted([size, "MB", place] for place, size in SIZES.items())
    assert names(here) == {*LEFT, *LOCKS, *KEPT}
    monkeypatch.setattr(sys, "argv", ["leftovers", "--remove"])
    main()
    assert names(here) == {*KEPT}
    assert not [*find_leftovers(here)]


def test_what_a_living_writer_has_begun_stays(here):
    with (here / LOCKS[0]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_leftovers(Path())
    assert names(here) == {*KEPT, LOCKS[0], LEFT[3]}


def test_nothing_is_removed_beside_a_running_stage(here, monkeypatch):
    (here / "stages").mkdir()
    (here / "stages" / "__init__.py").touch()  # before any other folder of this name
    (here / "stages" / "slow.py").write_text("print('up', flush=True)\ninput()\n")
    command = [sys.executable, "-B", "-m", "stages.slow"]
    with subprocess.Popen(
        command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as stage:
        assert stage.stdout.readline() == b"up\n"
        with pytest.raises(InputError, match=str(stage.pid)):
            remove_leftovers(Path())
        monkeypatch.setattr(sys, "argv", ["leftovers", "--remove"])
        with pytest.raises(SystemExit, match=str(stage.pid)):
            main()
        assert {*LEFT} <= names(here)
        monkeypatch.chdir(here.parent)  # another project
        remove_leftovers(Path())
        stage.communicate(b"\n")
    monkeypatch.chdir(here)
    remove_leftovers(Path())
    assert names(here) == {*KEPT, "stages/__init__.py", "stages/slow.py"}


@pytest.mark.parametrize("error", [psutil.NoSuchProcess, psutil.AccessDenied])
def test_a_process_that_ends_or_is_another_user_s_is_passed_over(here, monkeypatch, error):
    class Gone:
        def cmdline(self):
            raise error(1)

    monkeypatch.setattr(psutil, "process_iter", lambda: [Gone()])
    remove_leftovers(here)
    assert names(here) == {*KEPT}


def test_the_doctor_warns_of_much_of_it(here):
    finding = check_leftovers(Path())
    assert (finding.level, finding.what.split(": ")[1]) == (Level.OK, "0 MB in 6 places")
    with (here / LEFT[0]).open("r+b") as stream:
        stream.truncate(int(MANY_BYTES) - 7 * (len(LEFT) - 1))  # with the others just as much
    finding = check_leftovers(Path())
    assert finding.level is Level.WARNING
    assert "1000 MB in 6 places" in finding.what
    assert "leftovers --remove" in finding.remedy
