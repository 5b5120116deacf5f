"""Helpers around Prefect's client: heartbeats, parent runs, disconnection, forks."""

import asyncio
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from uuid import UUID

from prefect._internal.concurrency.services import _active_services
from prefect.client.orchestration import SyncPrefectClient
from prefect.context import SyncClientContext
from prefect.events import emit_event
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

PARENT_TASK_RUN = "PIPELINE_PARENT_TASK_RUN"
HEARTBEAT = "camground.flow-run.heartbeat"
HEARTBEAT_S = 30.0  # after three missing ones the server marks the run as crashed
PARENT_TIMEOUT_S = 10.0  # task runs reach the server as events, a moment after they start


def keep_off_the_console() -> None:
    """Make Prefect log to the server alone; the observer writes to the console itself."""
    logging.getLogger("prefect").propagate = False
    logging.getLogger("httpx").setLevel(logging.WARNING)


def let_forked_processes_end() -> None:
    """Make processes forked from this one, such as a DataLoader's workers, end with status 0.

    Without it they would wait at exit for Prefect's queues, whose threads a fork does not copy, and
    fail.
    """
    os.register_at_fork(after_in_child=_close_queues)


def end_when_terminated() -> None:
    """Make SIGTERM end this process within a second, whatever becomes of Prefect's exception.

    While a flow runs Prefect raises an error where the signal finds the program. A library that
    catches all errors swallows it, and the stage would go on without its DVC. Call it in the flow.
    """
    raise_error = signal.getsignal(signal.SIGTERM)
    if callable(raise_error) and threading.current_thread() is threading.main_thread():

        def end(number: int, frame: FrameType | None) -> None:
            signal.alarm(1)
            raise_error(number, frame)

        signal.signal(signal.SIGTERM, end)


def parent_task_run(client: SyncPrefectClient) -> UUID | None:
    """Return the task run that the environment names, as soon as the server has it, or None."""
    named = os.environ.get(PARENT_TASK_RUN)
    deadline = time.monotonic() + PARENT_TIMEOUT_S
    while named and time.monotonic() < deadline:
        try:
            return client.read_task_run(UUID(named)).id
        except ObjectNotFound:
            time.sleep(0.2)
    return None


@contextmanager
def heartbeats(run_id: UUID) -> Iterator[None]:
    """Send an event every half minute while the process of a flow run lives.

    It is the project's own event: Prefect's heartbeat is slower, delays the end of a run by up to a
    second, and comes from runs of other projects, too.
    """
    ended = threading.Event()
    resource = {"prefect.resource.id": f"prefect.flow-run.{run_id}"}

    def beat() -> None:
        emit_event(HEARTBEAT, resource)
        while not ended.wait(HEARTBEAT_S):
            emit_event(HEARTBEAT, resource)

    threading.Thread(target=beat, daemon=True).start()
    try:
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield
    finally:
        ended.set()


def hang_up() -> None:
    """Make every later call to the server fail at once, and drop what is not yet sent.

    Prefect would otherwise wait for each call at the end of the run, and send its queues one by
    one at exit, each item after its own timeout. This uses private parts of Prefect; the tests that
    kill a server fail when these change.
    """
    logging.getLogger("prefect").setLevel(logging.CRITICAL + 1)
    EventsWorker.set_client_override(NullEventsClient)
    if (context := SyncClientContext.get()) is not None:
        context.client._client.close()
    for service in list(_active_services):
        with suppress(queue.Empty):
            while True:
                service._queue.get_nowait()
                service._queue.task_done()


def _close_queues() -> None:
    for service in list(_active_services):
        service._done_event = asyncio.Event()
        service._done_event.set()
