"""A server that does not answer; a real one is in tests/end_to_end/test_prefect.py."""

import inspect
import logging
import os
import pickle
import signal
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace
from uuid import UUID

import pytest

from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from tests.conftest import ROOT

NOBODY = "http://127.0.0.1:9/api"  # the discard port: refused
CODE = """
from pipeline.observe.server import use_server
use_server("http://127.0.0.1:9/api")
from pipeline.observe.prefect_observer import PrefectObserver

calls = []

def body(observer):
    calls.append(observer.connected)
    observer.fact("fingerprint", "f00d")
    observer.table("numbers", [{"n": 3}])
    values = observer.map(abs, [-3, 4], "shards")
    observer.log(f"values {values}, unit {observer.unit(lambda: 7, 'work', 'a')}")
    if FAILS:
        raise ZeroDivisionError("of the body")
    return values

print(PrefectObserver("cams@shapes", {}).watch(body), len(calls))
"""


def run(fails, tmp_path):
    known = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
    known |= {"PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"FAILS = {fails}\n{CODE}"]
    return subprocess.run(command, env=known, capture_output=True, text=True, check=False)


def test_without_a_server_the_work_is_done_once_and_its_value_returned(tmp_path):
    done = run(False, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[3, 4] 1"
    assert "values [3, 4], unit 7" in done.stdout
    assert "Traceback" not in done.stderr


def test_without_a_server_the_error_of_the_work_is_the_error(tmp_path):
    done = run(True, tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: of the body"


def test_in_another_process_it_writes_to_the_console(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", NOBODY)
    observer_module = pytest.importorskip("pipeline.observe.prefect_observer")
    there = pickle.loads(pickle.dumps(observer_module.PrefectObserver("cams@shapes", {})))
    assert (type(there), there.stage) == (Observer, "cams@shapes")


@pytest.fixture
def observer(monkeypatch):
    """An observer whose artifacts are kept in `observer.sent` in place of a server."""
    module = pytest.importorskip("pipeline.observe.prefect_observer")
    made = module.PrefectObserver("cams@shapes", {})
    made.sent = []

    def create_progress(percent, key, description):
        made.sent.append(("created", key, description, percent))
        return "its id"

    def update_progress(artifact, percent):
        made.sent.append(("updated", artifact, percent))

    def create_markdown(text, key):
        made.sent.append((key, text))

    monkeypatch.setattr(module, "create_progress_artifact", create_progress)
    monkeypatch.setattr(module, "update_progress_artifact", update_progress)
    monkeypatch.setattr(module, "create_markdown_artifact", create_markdown)
    monkeypatch.setattr(module, "PROGRESS_EVERY_S", 0.0)
    return made


def test_a_progress_is_created_once_then_updated_to_the_end(observer):
    assert list(observer.progress("abcd", 4, "some shards")) == [*"abcd"]
    created, *updated = observer.sent
    assert created == ("created", "cams-shapes-some-shards", "some shards", 25.0)
    assert updated == [("updated", "its id", percent) for percent in (50.0, 75.0, 100.0)]


def test_a_quick_progress_is_not_sent_at_all(observer, monkeypatch):
    monkeypatch.setattr("pipeline.observe.prefect_observer.PROGRESS_EVERY_S", 99.0)
    assert list(observer.progress("abcd", 4, "shards")) == [*"abcd"]
    assert observer.sent == []


def test_pictures_of_a_text_are_put_into_it(observer):
    png, jpeg = b"\x89PNG", b"\xff\xd8\xff"
    text = "![a](pictures/a.png) ![b](pictures/b.jpg) [c](pictures/a.png.txt)"
    observer.markdown("A summary!", text, [("pictures/a.png", png), ("pictures/b.jpg", jpeg)])
    assert observer.sent == [
        (
            "cams-shapes-a-summary",
            "![a](data:image/png;base64,iVBORw==) ![b](data:image/jpeg;base64,/9j/) "
            "[c](pictures/a.png.txt)",
        )
    ]


def test_after_the_first_failing_call_there_is_none(observer, monkeypatch, capsys):
    calls = []

    def fail(*_):
        calls.append(1)
        raise OSError("gone")

    monkeypatch.setattr("pipeline.observe.prefect_observer.create_markdown_artifact", fail)
    monkeypatch.setattr("pipeline.observe.prefect_observer.hang_up", lambda: calls.append("up"))
    for _ in range(2):
        observer.markdown("summary", "text")
    assert calls == [1, "up"]
    assert not observer.connected
    assert "gone" in capsys.readouterr().out


def test_after_a_unit_that_prefect_cannot_run_the_others_run_without_it(observer, monkeypatch):
    calls = []

    def refuse():
        calls.append("unit")
        raise OSError("gone")

    monkeypatch.setattr("pipeline.observe.prefect_observer.task", lambda **_: lambda _: refuse)
    monkeypatch.setattr("pipeline.observe.prefect_observer.hang_up", lambda: calls.append("up"))
    assert observer.map(abs, [-3, 5], "shards") == [3, 5]
    assert calls == ["unit", "up"]
    assert not observer.connected


def test_an_error_of_the_work_is_none_of_the_server(observer, monkeypatch):
    monkeypatch.setattr("pipeline.observe.prefect_observer.task", lambda **_: lambda work: work)
    with pytest.raises(ZeroDivisionError):
        observer.unit(lambda: 1 // 0, "shards", "shards 1/1")
    assert observer.connected


def test_units_of_a_map_are_counted_from_one(observer):
    class Named(type(observer)):
        def unit(self, work, label, name, *_):
            names.append((label, name))
            return work()

    names = []
    assert Named("cams@shapes", {}).map(abs, [-3, 4], "shards") == [3, 4]
    assert names == [("shards", "shards 1/2"), ("shards", "shards 2/2")]


def test_tasks_run_on_a_cluster_only_where_one_is_named(observer, monkeypatch):
    pytest.importorskip("prefect_dask", reason="the extra [dask] is not installed")
    monkeypatch.delenv("PIPELINE_DASK", raising=False)
    assert observer._task_runner() is None
    monkeypatch.setenv("PIPELINE_DASK", "tcp://127.0.0.1:9")
    monkeypatch.setattr("pipeline.observe.dask_workers.CONNECT_TIMEOUT_S", 0.1)
    with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9"):
        observer._task_runner()


SENDERS = ("image", "table", "markdown", "progress")


@pytest.fixture
def sent(monkeypatch):
    """Return what an observer hands to Prefect's artifacts, by the names of Prefect's arguments."""
    module = pytest.importorskip("pipeline.observe.prefect_observer")
    calls = []

    def keep(name):
        signature = inspect.signature(getattr(module, name))

        def send(*args, **kwargs):
            calls.append(dict(signature.bind(*args, **kwargs).arguments))
            return "made"

        monkeypatch.setattr(module, name, send)

    for kind in SENDERS:
        keep(f"create_{kind}_artifact")
    keep("update_progress_artifact")
    monkeypatch.setattr(module, "get_run_logger", lambda: SimpleNamespace(info=lambda _: None))
    return calls


def watched():
    from pipeline.observe.prefect_observer import PrefectObserver

    return PrefectObserver("cams@shapes", {})


def test_pictures_tables_and_texts_become_artifacts_of_their_stage(sent):
    watched().image("A picture!", b"\x89PNG..", "what it shows")
    watched().table("numbers", [{"n": 3}])
    watched().markdown("summary", "![x](a.jpg) ![y](b.jpg)", [("a.jpg", b"\xff\xd8")])
    assert sent == [
        {
            "image_url": "data:image/png;base64,iVBORy4u",
            "key": "cams-shapes-a-picture",
            "description": "what it shows",
        },
        {"table": [{"n": 3}], "key": "cams-shapes-numbers", "description": "numbers"},
        {
            "markdown": "![x](data:image/jpeg;base64,/9g=) ![y](b.jpg)",
            "key": "cams-shapes-summary",
        },
    ]


@pytest.mark.parametrize(("every_s", "percents"), [(0.0, [25.0, 50.0, 75.0, 100.0]), (99.0, [])])
def test_progress_is_one_artifact_that_moves(sent, monkeypatch, every_s, percents):
    monkeypatch.setattr("pipeline.observe.prefect_observer.PROGRESS_EVERY_S", every_s)
    assert list(watched().progress(iter("abcd"), 4, "shards")) == list("abcd")
    assert [call["progress"] for call in sent] == percents
    if sent:
        assert (sent[0]["key"], sent[0]["description"]) == ("cams-shapes-shards", "shards")
        assert {call["artifact_id"] for call in sent[1:]} == {"made"}


def test_what_a_server_is_told_is_on_the_console_too(sent, capsys):
    watched().table("numbers", [{"n": 3}])
    watched().log("8 maps")
    Observer("cams@shapes").table("numbers", [{"n": 3}])
    Observer("cams@shapes").log("8 maps")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == lines[4:]


def test_a_fact_joins_the_parameters_of_the_run(observer, monkeypatch):
    shown = []
    client = SimpleNamespace(
        update_flow_run=lambda run, parameters: shown.append((run, dict(parameters)))
    )
    module = "pipeline.observe.prefect_observer"
    clients = {True: nullcontext(client)}  # the other kind is asynchronous
    monkeypatch.setattr(f"{module}.get_client", lambda sync_client: clients[sync_client])
    monkeypatch.setattr(observer, "_run_id", "its run")
    observer.fact("fingerprint", "f00d")
    observer.fact("seed", "3")
    assert shown == [
        ("its run", {"fingerprint": "f00d"}),
        ("its run", {"fingerprint": "f00d", "seed": "3"}),
    ]


@pytest.fixture
def on_term():
    """A handler of SIGTERM, as Prefect has one while a flow runs."""

    def raise_error(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGTERM, raise_error)
    yield raise_error
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("stage", "experiment", "tags"),
    [("cams@shapes", "tried", ["shapes", "tried"]), ("cams", None, [])],
)
def test_the_work_is_done_in_the_one_flow_run_that_is_made_for_it(
    observer, monkeypatch, on_term, stage, experiment, tags
):
    module, events = "pipeline.observe.prefect_observer", []
    run = SimpleNamespace(id=UUID(int=7), parameters={"seed": 3})

    def make(made, **shown):
        events.append((made.name, shown))
        return run

    def enter(made, flow_run):
        made.fn()
        events.append((flow_run, flow_run.parameters))

    def update(run_id, parameters):
        events.append((run_id, parameters))

    client = nullcontext(SimpleNamespace(create_flow_run=make, update_flow_run=update))
    monkeypatch.setattr(f"{module}.get_client", lambda **_: client)
    monkeypatch.setattr(f"{module}.run_flow", enter)
    monkeypatch.setattr("pipeline.observe.prefect_client.emit_event", lambda *_: None)
    monkeypatch.setattr(observer, "_parameters", {"seed": 3})
    monkeypatch.setattr(observer, "stage", stage)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    if experiment:
        monkeypatch.setenv("DVC_EXP_NAME", experiment)
    handlers = []

    def body(inner):
        events.append(inner)
        handlers.append(signal.getsignal(signal.SIGTERM))
        return 5

    assert observer.watch(body) == 5
    assert handlers != [on_term]  # it ends the process, whatever becomes of the error
    shown = {"name": stage, "parameters": {"seed": 3}, "tags": tags}
    assert events == [("cams", shown | {"parent_task_run_id": None}), observer, (run, {})]
    observer.fact("seen", "it")
    assert events[-1] == (run.id, {"seed": 3, "seen": "it"})


def test_only_progress_outside_of_all_units_is_sent(observer, monkeypatch):
    named = []

    def as_it_is(name, task_run_name, **_):
        named.append((name, task_run_name))
        return lambda work: work

    def work():
        observer.unit(lambda: list(observer.progress("ab", 2, "inner")), "parts", "part 1/1")
        return list(observer.progress("ab", 2, "outer"))

    monkeypatch.setattr("pipeline.observe.prefect_observer.task", as_it_is)
    for _ in range(2):
        assert observer.unit(work, "shards", "shard 1/1") == ["a", "b"]
    assert named == [("shards", "shard 1/1"), ("parts", "part 1/1")] * 2
    assert observer.sent == []
    assert list(observer.progress("ab", 2, "shards")) == ["a", "b"]
    assert [sent[-1] for sent in observer.sent] == [50.0, 100.0]


def test_beside_an_observer_prefect_says_nothing_on_the_console(monkeypatch):
    monkeypatch.setattr(logging.getLogger("prefect"), "propagate", True)
    watched()
    assert not logging.getLogger("prefect").propagate
