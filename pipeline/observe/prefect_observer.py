"""A stage process as a Prefect flow run: its units of work are tasks, its tables are artifacts.

Prefect watches. What a stage computes, returns and raises goes past Prefect unchanged, and the
first call to the server that fails is the last one made.
"""

import base64
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import Flow, State, flow, get_run_logger, task
from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.task_runners import TaskRunner
from prefect.utilities.urls import url_for
from typing_extensions import override

from pipeline.observe.observer import Observer, cluster_address
from pipeline.observe.outcome import Outcome
from pipeline.observe.prefect_client import (
    end_when_terminated,
    hang_up,
    heartbeats,
    keep_off_the_console,
    let_forked_processes_end,
    parent_task_run,
)

Item = TypeVar("Item")
Value = TypeVar("Value")

PROGRESS_EVERY_S = 2.0


class PrefectObserver(Observer):
    """Reports to the console, and to a Prefect server until the first call to it fails."""

    def __init__(self, stage: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(stage)
        self.connected = True
        self._parameters = dict(parameters)  # shown on the flow run
        self._run_id: UUID | None = None
        self._units_open = 0
        keep_off_the_console()
        let_forked_processes_end()

    def watch(self, body: Callable[[Observer], Value]) -> Value:
        """Return `body(self)`, run as a flow run below the task run that the environment names."""
        outcome = Outcome(lambda: body(self))

        @flow(
            name=self.stage.partition("@")[0], persist_result=False, task_runner=self._task_runner()
        )
        def watched() -> None:
            end_when_terminated()
            outcome.run()

        self._guard(lambda: self._run_flow(watched), outcome)
        return outcome.result()

    def unit(
        self,
        work: Callable[[], Value],
        label: str,
        name: str,
        state_of: Callable[[Value], State | None] = lambda _: None,
    ) -> Value:
        """Return `work()`, run as a task run.

        Args:
            work: called once, in this thread.
            label: the task's name, such as `shards`.
            name: the task run's name.
            state_of: function from the value to the final state; None: `Completed`.
        """
        outcome = Outcome(work)

        @task(name=label, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)
        def watched() -> State | None:
            return state_of(outcome.result())

        if self.connected:
            self._units_open += 1
            self._guard(watched, outcome)
            self._units_open -= 1
        return outcome.result()

    @override
    def log(self, message: str) -> None:
        super().log(message)
        self._report(lambda: get_run_logger().info(message))

    @override
    def fact(self, name: str, value: str) -> None:
        self._parameters[name] = value
        self._report(self._send_parameters)

    @override
    def progress(self, items: Iterable[Item], total: int, label: str) -> Iterable[Item]:
        watched = super().progress(items, total, label)
        return watched if self._units_open else self._with_artifact(watched, total, label)

    @override
    def map(self, work: Callable[[Item], Value], items: Sequence[Item], label: str) -> list[Value]:
        if cluster_address():
            return self._map_on_dask(work, items, label)
        numbered = enumerate(self.progress(items, len(items), label), start=1)
        return [
            self.unit(partial(work, item), label, f"{label} {number}/{len(items)}")
            for number, item in numbered
        ]

    @override
    def table(self, key: str, rows: Sequence[dict[str, Any]]) -> None:
        super().table(key, rows)
        self._report(
            lambda: create_table_artifact(list(rows), self._artifact_key(key), description=key)
        )

    @override
    def markdown(self, key: str, text: str, pictures: Sequence[tuple[str, bytes]] = ()) -> None:
        for address, content in pictures:
            text = text.replace(f"]({address})", f"]({_data_address(content)})")
        self._report(lambda: create_markdown_artifact(text, self._artifact_key(key)))

    @override
    def image(self, key: str, content: bytes, caption: str) -> None:
        address = _data_address(content)
        self._report(lambda: create_image_artifact(address, self._artifact_key(key), caption))

    def _run_flow(self, watched: Flow[[], None]) -> None:
        instance, experiment = self.stage.partition("@")[2], os.environ.get("DVC_EXP_NAME", "")
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(
                watched,
                name=self.stage,
                parameters=self._parameters,
                tags=[tag for tag in (instance, experiment) if tag],
                parent_task_run_id=parent_task_run(client),
            )
        self._run_id = run.id
        super().log(f"watched at {url_for('flow-run', run.id)}")
        run.parameters = {}  # the server has them; the function has none
        with heartbeats(run.id):
            run_flow(watched, flow_run=run)

    def _map_on_dask(
        self, work: Callable[[Item], Value], items: Sequence[Item], label: str
    ) -> list[Value]:
        from pipeline.observe.prefect_dask import WorkError, map_as_tasks  # an optional part

        try:
            if self.connected:
                return map_as_tasks(work, items, label, partial(self.progress, label=label))
        except WorkError as error:
            raise error.args[0] from None
        except Exception as error:  # noqa: BLE001 - Prefect's: the cluster does it without Prefect
            self._disconnect(error)
        return Observer.map(self, work, items, label)

    def _task_runner(self) -> TaskRunner[Any] | None:
        if not (cluster := cluster_address()):
            return None
        from pipeline.observe.prefect_dask import dask_runner  # an optional part

        return dask_runner(cluster)

    def _send_parameters(self) -> None:
        assert self._run_id is not None
        with get_client(sync_client=True) as client:
            client.update_flow_run(self._run_id, parameters=self._parameters)

    def _with_artifact(self, items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
        """Yield the items and update a progress artifact at most every `PROGRESS_EVERY_S`."""
        artifact: list[UUID] = []
        reported_at = time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            percent = 100.0 * done / max(total, 1)
            if time.monotonic() - reported_at >= PROGRESS_EVERY_S or (done == total and artifact):
                self._report(partial(self._report_progress, artifact, percent, label))
                reported_at = time.monotonic()

    def _report_progress(self, artifact: list[UUID], percent: float, label: str) -> None:
        if artifact:
            update_progress_artifact(artifact[0], percent)
        else:
            made = create_progress_artifact(percent, self._artifact_key(label), label)
            artifact.append(cast("UUID", made))

    def _artifact_key(self, key: str) -> str:
        """Return a key in Prefect's form: lower case, digits and dashes."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.stage} {key}".lower()).strip("-")

    def _report(self, call: Callable[[], object]) -> None:
        """Make one call to the server, if none has failed yet."""
        if self.connected:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - no error of Prefect is one of the stage
                self._disconnect(error)

    def _guard(self, call: Callable[[], object], outcome: Outcome[Any]) -> None:
        """Run the work of an outcome by Prefect; disconnect on an error that is not the work's."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - the work's own error is in the outcome
            if error is not outcome.error:
                self._disconnect(error)

    def _disconnect(self, error: Exception) -> None:
        if self.connected:
            self.connected = False
            super().log(f"goes on without the Prefect server: {type(error).__name__}: {error}")
            hang_up()


def _data_address(content: bytes) -> str:
    """Return an address that holds the picture itself, so that no file server is needed."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
