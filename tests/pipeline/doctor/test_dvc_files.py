import contextlib
import subprocess
import sys
import time

import pytest
from dvc.cli import main

from pipeline.doctor import dvc_files
from pipeline.doctor.dvc_files import check_dvc_files, mend_rwlock
from pipeline.doctor.findings import Level
from tests.conftest import ROOT
from tests.dvc_folder import make_dvc_folder

GRAPH = "stages:\n  copy:\n    cmd: cp a b\n    deps: [a]\n    outs: [b]\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A project in which `dvc repro` has run."""
    root = tmp_path_factory.mktemp("repository")
    (root / "a").write_text("text")
    (root / "dvc.yaml").write_text(GRAPH)
    make_dvc_folder(root)
    assert dvc(root, "repro", "-q") == 0
    return root


def dvc(root, *arguments):
    """Run DVC as its command does; in this process, for it takes a second to import."""
    with contextlib.chdir(root):
        return main(arguments)


@pytest.mark.parametrize("left", ["", '{"write": {"/x": {"pi', "[]", '"', "\x00\x00\x00"])
def test_a_half_written_lock_stops_dvc_is_named_and_is_removed(repository, left):
    rwlock = repository / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(left)
    assert dvc(repository, "repro") != 0
    (finding,) = check_dvc_files(repository)
    assert finding.level is Level.MISSING
    assert "rwlock" in finding.what
    assert mend_rwlock(repository)
    assert not list(check_dvc_files(repository))
    assert dvc(repository, "repro") == 0


@pytest.mark.parametrize(
    "left", ["{}", '{"write": {}, "read": {"/x": [{"pid": 1, "cmd": "dvc"}]}}']
)
def test_a_whole_lock_stays(repository, left):
    rwlock = repository / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(left)
    assert not mend_rwlock(repository)
    assert rwlock.read_text() == left
    assert not list(check_dvc_files(repository))


@pytest.mark.parametrize("end", ["cmd", "hash", "hash: md", "size"])
def test_a_half_written_dvc_lock_stops_dvc_and_the_remedy_brings_the_outputs_back(repository, end):
    lock = repository / "dvc.lock"
    whole = lock.read_text()
    lock.write_text(whole[: whole.index(end) + len(end)])
    assert dvc(repository, "repro") != 0
    (finding,) = check_dvc_files(repository)
    assert (finding.level, "dvc.lock" in finding.what) == (Level.MISSING, True)
    lock.unlink()
    (repository / "b").unlink()
    assert not list(check_dvc_files(repository))
    assert dvc(repository, "repro") == 0
    assert lock.read_text() == whole


def test_a_dvc_lock_whose_aliases_make_a_thousand_million_values_is_named_in_seconds(tmp_path):
    levels = ["- &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "dvc.lock").write_text("\n".join(["stages:", *levels]))
    begin = time.process_time()
    (finding,) = check_dvc_files(tmp_path)
    assert "dvc.lock" in finding.what
    assert time.process_time() - begin < 3


@pytest.mark.parametrize(("left", "status"), [("{", 0), (None, 0)])
def test_the_command_mends_and_ends_well(repository, left, status):
    if left is not None:
        (repository / ".dvc" / "tmp" / "rwlock").write_text(left)
    command = [sys.executable, "-m", "pipeline.doctor.dvc_files"]
    done = subprocess.run(
        command,
        cwd=repository,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert ("rwlock" in done.stdout) == (left is not None)


def test_the_command_says_what_a_person_must_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text("stages: {")
    with pytest.raises(SystemExit) as stopped:
        dvc_files.main()
    assert stopped.value.code == 1
    assert "dvc.lock" in capsys.readouterr().out
