"""Units of work as Prefect tasks on the workers of a Dask cluster."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.futures import as_completed
from prefect_dask import DaskTaskRunner

from pipeline.observe.dask_workers import Watch, connect, send_once

Item = TypeVar("Item")
Value = TypeVar("Value")


class WorkError(Exception):
    """An error of the work itself, not of Prefect; its argument is the cause."""


def dask_runner(address: str) -> DaskTaskRunner:
    """Return the task runner of a flow whose tasks run on a cluster.

    Raises:
        InputError: see `pipeline.observe.dask_workers.connect`.
    """
    connect(address).close()
    return DaskTaskRunner(address=address)


def map_as_tasks(
    work: Callable[[Item], Value], items: Sequence[Item], label: str, watch: Watch
) -> list[Value]:
    """Return `work(item)` of every item, in order, each a task run of the flow run around this.

    Raises:
        WorkError: `work` raised its cause.
    """
    run = FlowRunContext.get()
    assert run is not None
    assert isinstance(run.task_runner, DaskTaskRunner)
    sent: Any = send_once(run.task_runner.client, work)
    futures = [
        _unit.with_options(name=label, task_run_name=f"{label} {number}/{len(items)}").submit(
            sent, item
        )
        for number, item in enumerate(items, start=1)
    ]
    for _ in watch(as_completed(futures), len(futures)):
        pass
    return [future.result() for future in futures]


@task(cache_policy=NO_CACHE, persist_result=False)
def _unit(work: Callable[[Item], Value], item: Item) -> Value:
    try:
        return work(item)
    except Exception as error:
        raise WorkError(error) from error
