from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.prefect_server import Server
from tests.end_to_end.project import Project, clone


@pytest.fixture(scope="session")
def rebuilt(made_once) -> Project:
    """A clone in which `dvc repro` has run once."""

    def rebuild(folder: Path) -> None:
        done = clone(folder).repro()
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    return Project(made_once("project", rebuild))


@pytest.fixture
def fresh(tmp_path) -> Project:
    """A clone in which nothing has run."""
    folder = tmp_path / "project"
    folder.mkdir()
    return clone(folder)


@pytest.fixture(scope="module")
def server(made_once) -> Iterator[Server]:
    """A Prefect server that lives as long as the tests of a file: it works when idle, too.

    Its database was made by one that ended before, which takes as long as all else of a start.
    """
    server = Server.started(made_once("prefect", lambda home: Server.started(home).stop()))
    yield server
    if server.process.poll() is None:
        server.kill()
