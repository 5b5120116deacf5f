"""What an observer needs of Prefect's client beside flows, tasks and artifacts."""

import logging
import os
import queue
import time
from contextlib import suppress
from uuid import UUID

from prefect._internal.concurrency.services import _active_services
from prefect.client.orchestration import SyncPrefectClient
from prefect.context import SyncClientContext
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound

PARENT_TASK_RUN = "PIPELINE_PARENT_TASK_RUN"
PARENT_TIMEOUT_S = 10.0  # task runs reach the server as events, a moment after they start


def parent_task_run(client: SyncPrefectClient) -> UUID | None:
    """Return the task run that the environment names, once the server has heard of it."""
    named = os.environ.get(PARENT_TASK_RUN)
    deadline = time.monotonic() + PARENT_TIMEOUT_S
    while named and time.monotonic() < deadline:
        try:
            return client.read_task_run(UUID(named)).id
        except ObjectNotFound:
            time.sleep(0.2)
    return None


def hang_up() -> None:
    """Let every later call to the server fail at once, and forget what is not yet sent.

    Prefect would otherwise wait for each call at the end of the run, and send its queues one by
    one at exit, each item after its own timeout. All that is private to Prefect; the tests that
    kill a server tell when it changes.
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
