import shutil

import pytest

from tests.stages.weights_world import given_section, write_published


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The folder of weight files as others publish them."""
    folder = tmp_path_factory.mktemp("published")
    write_published(folder)
    return folder


@pytest.fixture
def files(published, project):
    """The section that names copies of those files."""
    shutil.copytree(published, project / "given")
    return given_section()
