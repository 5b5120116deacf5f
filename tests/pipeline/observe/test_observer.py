import pickle
import threading

import pytest

from pipeline.errors import InputError
from pipeline.observe.observer import Observer, cluster_address


def test_mapped_values_come_in_the_order_of_the_items():
    assert Observer("cams").map(lambda item: item * item, [3, 1, 2], "shards") == [9, 1, 4]


def test_a_table_is_shown_in_columns(capsys):
    Observer("cams").table("hits", [{"method": "reg", "n": 20}, {"method": "random", "n": 5}])
    assert capsys.readouterr().out.splitlines() == [
        "[cams] hits",
        "[cams]   method  n ",
        "[cams]   reg     20",
        "[cams]   random  5 ",
    ]


def test_a_table_of_one_row_is_shown_too(capsys):
    Observer("cams").table("hits", [{"right": 1234567, "n": 20}])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["[cams]   right    n ", "[cams]   1234567  20"]


def test_a_table_without_rows_is_its_name(capsys):
    Observer("cams").table("hits", [])
    assert capsys.readouterr().out.splitlines()[0] == "[cams] hits"


def test_a_line_names_its_stage(capsys):
    Observer("cams").log("8 maps")
    assert capsys.readouterr().out == "[cams] 8 maps\n"


def test_progress_passes_items_on_and_shows_label_and_total(capsys):
    assert list(Observer("cams").progress(iter("abc"), 3, "shards")) == ["a", "b", "c"]
    shown = capsys.readouterr().err
    assert "[cams] shards" in shown
    assert "3/3" in shown


def test_what_follows_a_bar_that_an_error_left_open_begins_a_line(capsys):
    observer = Observer("cams")
    bar = iter(observer.progress(iter("abc"), 3, "shards"))
    next(bar)
    assert not capsys.readouterr().err.endswith("\n")
    observer.close()
    assert capsys.readouterr().err.endswith("\n")
    bar.close()
    assert capsys.readouterr().err == ""


def test_an_observer_with_a_bar_can_go_to_another_process():
    observer = Observer("cams")
    bar = iter(observer.progress(iter("abc"), 3, "shards"))
    next(bar)
    again = pickle.loads(pickle.dumps(observer))
    assert (type(again), again.stage) == (Observer, "cams")
    observer.close()


@pytest.mark.parametrize(("given", "address"), [(None, None), ("", None)])
def test_no_cluster_is_named_where_the_environment_names_none(monkeypatch, given, address):
    monkeypatch.delenv("PIPELINE_DASK", raising=False)
    if given is not None:
        monkeypatch.setenv("PIPELINE_DASK", given)
    assert cluster_address() is address


def test_the_workers_of_a_cluster_do_what_is_mapped(monkeypatch, tmp_path, capsys):
    distributed = pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)

    def work(item):
        return item * item, threading.current_thread() is threading.main_thread()

    here = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1"}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, **here
    ) as cluster:
        monkeypatch.setenv("PIPELINE_DASK", cluster.scheduler_address)
        squares = Observer("cams").map(work, [3, 1, 2], "shards")
    assert squares == [(9, False), (1, False), (4, False)]
    shown = capsys.readouterr().err
    assert "[cams] shards" in shown
    assert "3/3" in shown


def test_a_cluster_needs_dask(monkeypatch):
    monkeypatch.setenv("PIPELINE_DASK", "tcp://here:8786")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert cluster_address() == "tcp://here:8786"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"PIPELINE_DASK.*tcp://here:8786"):
        cluster_address()
    monkeypatch.delenv("PIPELINE_DASK")
    assert cluster_address() is None
