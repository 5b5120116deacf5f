import importlib
import os
import sys
import time

import pytest

from pipeline.errors import InputError

observe_dask = pytest.importorskip("pipeline.observe.dask_workers", reason="Dask is not installed")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the current folder, imported by this process."""
    file = tmp_path / "only_here_today.py"
    file.write_text("answer = 42\n")
    os.utime(file, (1, 1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("only_here_today")
    yield file
    del sys.modules["only_here_today"]


def test_a_worker_whose_code_is_as_it_was_imported_is_current(module):
    assert observe_dask._place() == (str(module.parent), [])


def test_a_worker_is_too_old_for_a_file_that_changed_since(module):
    os.utime(module, (time.time() + 60, time.time() + 60))
    assert observe_dask._place() == (str(module.parent), [str(module)])


def test_a_scheduler_that_is_not_there_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(observe_dask, "CONNECT_TIMEOUT_S", 0.5)
    with pytest.raises(InputError, match=r"PIPELINE_DASK=tcp://127\.0\.0\.1:9"):
        observe_dask.map_on_dask("tcp://127.0.0.1:9", abs, [-1], lambda items, _: items)


@pytest.fixture
def cluster(request):
    """A cluster of one worker process, with a setting of its scheduler."""
    import dask
    from distributed import LocalCluster

    setting = {f"distributed.scheduler.{name}": value for name, value in request.param.items()}
    small = {"n_workers": 1, "threads_per_worker": 1, "host": "127.0.0.1"}
    with (
        dask.config.set(setting),
        LocalCluster(**small, dashboard_address="127.0.0.1:0") as cluster,
    ):
        yield cluster


@pytest.mark.parametrize("cluster", [{"allowed-failures": 0}], indirect=True)
def test_a_unit_that_ends_its_worker_is_one_clear_error(cluster):
    address = cluster.scheduler_address
    with pytest.raises(InputError, match=address):
        observe_dask.map_on_dask(address, os._exit, [3], lambda items, _: items)


def test_every_worker_has_what_the_work_holds():
    from distributed import Client, LocalCluster

    here = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1"}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, **here) as cluster,
        Client(cluster) as client,
    ):
        sent = observe_dask.send_once(client, abs)
        assert len(client.who_has([sent])[sent.key]) == 2
