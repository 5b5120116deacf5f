"""What every test stands on: no network, one thread, and the real data where they are."""

import gc
import os

os.environ.update(
    HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DO_NOT_TRACK="1", DVC_NO_ANALYTICS="1"
)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it is imported
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_ENABLED", "false")
os.environ.pop("PYTHONUNBUFFERED", None)  # what a process prints waits until it is flushed
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or sixty processes of stages compile all anew

import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.freed_memory import begin_collection, put_off_collection

ROOT = Path(__file__).parent.parent

put_off_collection()  # the search for garbage took a quarter of the time of collecting tests


def pytest_collection_finish():
    begin_collection()
    gc.set_threshold(50_000)  # of 700, what tests leave behind was searched for all the time


def pytest_collection_modifyitems(items):
    """Put the files that wait for servers far from each other, and slow files before quick ones.

    The cores have work while a worker waits, and quick files fill the ends of the workers.
    """
    files = dict.fromkeys(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    waiting = [path for path in files if path.parent.name == "end_to_end"]
    others = sorted(files.keys() - waiting, key=lambda path: (path not in slow, path))
    num_turns = max(len(waiting), 1)
    places = {path: (turn, -1) for turn, path in enumerate(waiting)}
    places |= {path: (rank % num_turns, rank) for rank, path in enumerate(others)}
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(autouse=True, scope="session")
def _temporary_folder(tmp_path_factory):
    """Keep what killed processes leave in the folder that pytest clears."""
    folder = tmp_path_factory.getbasetemp() / "left"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield


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
def made_once(tmp_path_factory, worker_id) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that lets the process that asks first make a folder; each has a copy."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def copy_of(name: str, make: Callable[[Path], object]) -> Path:
        first, unfinished = shared / "made_once" / name, shared / "unfinished" / name
        unfinished.parent.mkdir(exist_ok=True)
        with FileLock(unfinished.with_suffix(".lock")):
            if not first.is_dir():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                first.parent.mkdir(exist_ok=True)
                unfinished.rename(first)
        own = tmp_path_factory.mktemp(name) / name
        shutil.copytree(first, own, symlinks=True)
        return own

    return copy_of


@pytest.fixture(scope="session")
def tiny_detector(made_once) -> Path:
    """Return the folder of a detector that was trained on bright rectangles."""
    from tests.tiny_detector import write_tiny_detector

    return (
        made_once("detector", lambda folder: write_tiny_detector(folder / "detector")) / "detector"
    )


@pytest.fixture(scope="session")
def served(made_once) -> Path:
    """Return the folder of a small project with a model that can be asked about pictures."""
    from tests.served_world import write_served_world

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("DVC_ROOT", str(folder))
            patch.delenv("PIPELINE_PART", raising=False)
            write_served_world(folder)

    return made_once("served", make)
