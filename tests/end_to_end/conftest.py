import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.end_to_end.prefect_server import Server
from tests.end_to_end.project import Project, clone


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory, worker_id) -> Project:
    """A clone in which `dvc repro` has run once: in the process that asks first; others copy it."""
    own = tmp_path_factory.mktemp("end_to_end") / "project"
    base = tmp_path_factory.getbasetemp()
    first = (base if worker_id == "master" else base.parent) / "rebuilt" / "project"
    with FileLock(f"{first.parent}.lock"):
        if not first.is_dir():
            _rebuild(first)
    shutil.copytree(first, own, symlinks=True)
    return Project(own)


def _rebuild(folder: Path) -> None:
    """Rebuild a clone; the folder is there when that is done."""
    fresh = folder.with_name("unfinished")
    fresh.mkdir(parents=True)
    done = clone(fresh).repro()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    fresh.rename(folder)


@pytest.fixture
def fresh(tmp_path) -> Project:
    """A clone in which nothing has run."""
    folder = tmp_path / "project"
    folder.mkdir()
    return clone(folder)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """A Prefect server that lives as long as the tests."""
    server = Server.started(tmp_path_factory.mktemp("prefect"))
    yield server
    server.kill()
