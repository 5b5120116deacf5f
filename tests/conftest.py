"""What every test stands on: no network, one thread, and the real data where they are."""

import os

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DO_NOT_TRACK="1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it is imported
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_ENABLED", "false")

import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items):
    """Begin with the files that hold slow tests: the short ones then fill up the workers' ends."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Let a test reach this machine only."""
    connect = socket.socket.connect

    def connect_here(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"tests run offline, but something connects to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real photographs and weights, or skip the test."""
    folder = Path(os.environ.get("CAMGROUND_REAL", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; CAMGROUND_REAL names their folder")
    return folder.resolve()


@pytest.fixture(scope="session")
def tiny_detector(tmp_path_factory) -> Path:
    """Return the folder of a detector that was trained on bright rectangles."""
    from tests.tiny_detector import write_tiny_detector

    return write_tiny_detector(tmp_path_factory.mktemp("weights") / "detector")


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Path:
    """Return the folder of a small project with a model that can be asked about pictures."""
    from tests.served_world import write_served_world

    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DVC_ROOT", str(folder))
        patch.delenv("PIPELINE_PART", raising=False)
        write_served_world(folder)
    return folder
