"""What needs no server; beats, queues and hang-ups beside one are in tests/end_to_end."""

import asyncio
import logging
import os
import queue
import signal
import subprocess
import sys
import time
from logging.handlers import BufferingHandler
from types import SimpleNamespace
from uuid import UUID

import pytest
from prefect.context import SyncClientContext
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipeline.observe import prefect_client
from pipeline.observe.prefect_client import (
    HEARTBEAT,
    PARENT_TASK_RUN,
    end_when_terminated,
    hang_up,
    heartbeats,
    keep_off_the_console,
    let_forked_processes_end,
    parent_task_run,
)
from tests.conftest import ROOT

RUN = UUID("12345678123456781234567812345678")


class LateServer:
    """Knows a task run from the second question on, as it comes to know them by events."""

    def __init__(self, silent_for=1):
        self.asked, self._silent_for = [], silent_for

    def read_task_run(self, run_id):
        self.asked.append(run_id)
        if len(self.asked) <= self._silent_for:
            raise ObjectNotFound(KeyError())
        return SimpleNamespace(id=run_id)


def test_a_task_run_is_waited_for_until_the_server_knows_it(monkeypatch):
    monkeypatch.setenv(PARENT_TASK_RUN, str(RUN))
    server = LateServer()
    assert parent_task_run(server) == RUN
    assert server.asked == [RUN, RUN]


def test_a_task_run_that_no_server_knows_is_given_up(monkeypatch):
    monkeypatch.setenv(PARENT_TASK_RUN, str(RUN))
    monkeypatch.setattr(prefect_client, "PARENT_TIMEOUT_S", 0.3)
    started = time.monotonic()
    assert parent_task_run(LateServer(silent_for=99)) is None
    assert 0.3 <= time.monotonic() - started < 3


def test_where_no_task_run_is_named_no_server_is_asked(monkeypatch):
    monkeypatch.delenv(PARENT_TASK_RUN, raising=False)
    server = LateServer()
    assert parent_task_run(server) is None
    assert server.asked == []


@pytest.fixture
def console():
    """What Prefect and httpx say to the loggers above theirs, whatever earlier tests have set."""
    seen = BufferingHandler(capacity=1000)
    loggers = [logging.getLogger(name) for name in ("", "prefect", "httpx")]
    before = [(logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.propagate = True
        logger.setLevel(logging.INFO)
    loggers[0].addHandler(seen)
    yield seen
    loggers[0].removeHandler(seen)
    for logger, (propagate, level) in zip(loggers, before, strict=True):
        logger.propagate = propagate
        logger.setLevel(level)


@pytest.mark.parametrize("is_kept_off", [False, True])
def test_prefect_and_httpx_stay_off_the_console(console, is_kept_off):
    if is_kept_off:
        keep_off_the_console()
    logging.getLogger("prefect.flow_runs").warning("of prefect")
    logging.getLogger("httpx").info("of httpx")
    mine = ("of prefect", "of httpx")  # threads of earlier tests may log, too
    said = [record.getMessage() for record in console.buffer if record.getMessage() in mine]
    assert said == ([] if is_kept_off else [*mine])


def test_a_heart_beats_while_the_block_runs_and_no_longer(monkeypatch):
    beats = []
    monkeypatch.setattr(prefect_client, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(prefect_client, "emit_event", lambda *event: beats.append(event))
    with heartbeats(RUN):
        deadline = time.monotonic() + 5
        while len(beats) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(beats) >= 4
    assert set(map(str, beats)) == {
        str((HEARTBEAT, {"prefect.resource.id": f"prefect.flow-run.{RUN}"}))
    }
    time.sleep(0.1)
    ended = len(beats)
    time.sleep(0.1)
    assert len(beats) == ended


def test_a_heart_beats_at_once(monkeypatch):
    beats = []
    monkeypatch.setattr(prefect_client, "HEARTBEAT_S", 99.0)
    monkeypatch.setattr(prefect_client, "emit_event", lambda *event: beats.append(event))
    with heartbeats(RUN):
        deadline = time.monotonic() + 5
        while not beats and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(beats) == 1


def test_a_forked_process_finds_the_queues_done_for_which_this_one_waits(monkeypatch):
    service = SimpleNamespace(_done_event=asyncio.Event())
    monkeypatch.setattr(prefect_client, "_active_services", [service])
    let_forked_processes_end()
    if not (child := os.fork()):
        os._exit(0 if service._done_event.is_set() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not service._done_event.is_set()


def test_after_hanging_up_nothing_waits_to_be_sent_and_nothing_more_is(console, monkeypatch):
    monkeypatch.setattr(EventsWorker, "_client_override", None)  # it is put back
    service = SimpleNamespace(_queue=queue.Queue())
    monkeypatch.setattr(prefect_client, "_active_services", [service])
    for number in range(3):
        service._queue.put(number)
    hang_up()
    assert (service._queue.qsize(), service._queue.unfinished_tasks) == (0, 0)
    assert EventsWorker._client_override[0] is NullEventsClient
    assert not logging.getLogger("prefect.events").isEnabledFor(logging.CRITICAL)


def test_after_hanging_up_the_client_of_the_run_is_closed(console, monkeypatch):
    monkeypatch.setattr(EventsWorker, "_client_override", None)
    monkeypatch.setattr(prefect_client, "_active_services", [])
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        context = SyncClientContext()
    monkeypatch.setattr(SyncClientContext, "get", lambda: context)
    assert not context.client._client.is_closed
    hang_up()
    assert context.client._client.is_closed


SWALLOWING = """
import os, signal, sys, time
from prefect.utilities.engine import capture_sigterm
from pipeline.observe.prefect_client import end_when_terminated

with capture_sigterm():
    if sys.argv[1] == "guarded":
        end_when_terminated()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except BaseException:  # as a library may
        time.sleep(2)
print("went on")
"""


@pytest.mark.parametrize(("how", "said"), [("guarded", ""), ("by Prefect alone", "went on\n")])
def test_a_process_ends_when_it_is_terminated_though_prefect_s_error_is_swallowed(how, said):
    command = [sys.executable, "-c", SWALLOWING, how]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == said
    assert (done.returncode == -signal.SIGALRM) == (how == "guarded")


def test_a_signal_that_no_flow_waits_for_ends_the_process_as_ever():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        end_when_terminated()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
