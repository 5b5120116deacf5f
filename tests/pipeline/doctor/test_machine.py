import errno
import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.doctor.findings import Level
from pipeline.doctor.machine import check_machine


def machine(root, device="auto"):
    """Return the finding on each subject."""
    return {finding.what.split(":")[0]: finding for finding in check_machine(root, device)}


@pytest.mark.parametrize(
    ("least", "enough", "level"),
    [(0, 0, Level.OK), (0, 10**9, Level.WARNING), (10**9, 10**9, Level.MISSING)],
)
def test_a_full_disk_and_an_almost_full_one_are_told(project, monkeypatch, least, enough, level):
    monkeypatch.setattr("pipeline.doctor.machine.LEAST_FREE_GB", least)
    monkeypatch.setattr("pipeline.doctor.machine.ENOUGH_FREE_GB", enough)
    told = machine(project)["disk"]
    assert told.level is level
    assert told.what.endswith(f" {project}")
    free_gb = float(told.what.split()[1])
    assert free_gb == pytest.approx(shutil.disk_usage(project).free / 1e9, abs=1)


def test_a_package_that_is_not_installed_is_missing(project, monkeypatch):
    monkeypatch.setattr("pipeline.doctor.machine.PACKAGES", ("yaml", "no_such_package"))
    told = machine(project)["packages"]
    assert (told.level, told.what.split()[-1]) == (Level.MISSING, "no_such_package")
    assert "yaml" not in told.what


def test_git_wants_a_repository_and_an_identity(project):
    assert machine(project)["git"].level is Level.WARNING
    for mine, other in (("user.name", "user.email"), ("user.email", "user.name")):
        subprocess.run(["git", "config", mine, "somebody"], check=True)
        assert machine(project)["git"].level is Level.WARNING
        subprocess.run(["git", "config", other, "somebody"], check=True)
        assert machine(project)["git"].level is Level.OK
        subprocess.run(["git", "config", "--unset", mine], check=True)
        subprocess.run(["git", "config", "--unset", other], check=True)
    subprocess.run(["rm", "-rf", ".git"], check=True)
    assert machine(project)["git"].level is Level.MISSING


def test_git_itself_is_needed(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    assert machine(project)["git"].level is Level.MISSING


def test_links_of_dvc_s_cache_are_what_works_first(project):
    (project / ".dvc" / "config").write_text("[cache]\n    type = copy\n")
    assert machine(project)["dvc"].level is Level.WARNING
    (project / ".dvc" / "config.local").write_text('[cache]\n    type = "hardlink,copy"\n')
    assert "hardlinks" in machine(project)["dvc"].what
    (project / ".dvc" / "config.local").write_text("[cache]\n    type = symlink\n")
    assert "symlinks" in machine(project)["dvc"].what
    subprocess.run(["rm", "-rf", ".dvc"], check=True)
    assert machine(project)["dvc"].level is Level.MISSING


def test_files_are_linked_to_a_cache_that_lies_elsewhere(project):
    def found(link, folder):
        (project / ".dvc" / "config").write_text(f"[cache]\n type = {link}\n dir = {folder}\n")
        return machine(project)["dvc"]

    told = found("hardlink", '"../not made/yet"')
    assert told.level is Level.OK
    assert told.what.endswith(str(project / ".dvc" / "../not made/yet"))
    assert found("symlink", "/proc").level is Level.OK
    told = found("hardlink", "/proc")  # another disk
    assert told.level is Level.WARNING
    assert "/proc," in told.what


@pytest.mark.parametrize("setting", ["", "[cache]\n    type = reflink\n"])
@pytest.mark.parametrize("works", [True, False])
def test_files_are_cloned_where_the_disk_can(project, monkeypatch, works, setting):
    def ioctl(_target, _request, source):
        assert os.fstat(source).st_size  # blocks to share
        if not works:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    (project / ".dvc" / "config").write_text(setting)
    found = machine(project)["dvc"]
    assert found.level is (Level.OK if works else Level.WARNING)
    assert ("reflinks" in found.what) == works
    (project / ".dvc" / "config").write_text("[cache]\n    type = copy\n")
    assert machine(project)["dvc"].level is Level.WARNING


@pytest.mark.parametrize("closed", [".", ".dvc/cache"])
def test_no_file_is_cloned_where_none_can_be_written(project, monkeypatch, closed):
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: 0)
    monkeypatch.setattr(os, "access", lambda path, _: path != project / closed)
    (project / ".dvc" / "config").write_text("[cache]\n    type = reflink\n")
    assert machine(project)["dvc"].level is Level.WARNING


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has a GPU")
def test_a_gpu_is_needed_where_it_is_asked_for(project):
    assert machine(project, "auto")["gpu"].level is Level.WARNING
    assert machine(project, "cuda")["gpu"].level is Level.MISSING


def test_a_prefect_server_that_is_configured_must_answer(project, monkeypatch, health):
    assert machine(project)["prefect"].level is Level.OK
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    found = machine(project)["prefect"]
    assert (found.level, "http://127.0.0.1:9/api" in found.what) == (Level.WARNING, True)
    assert "make ui" in found.remedy
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    found = machine(project)["prefect"]
    assert (found.level, health.address in found.what) == (Level.OK, True)
