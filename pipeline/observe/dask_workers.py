"""Units of work on the workers of a Dask cluster: `PIPELINE_DASK=tcp://scheduler:8786`.

The objects that the work holds (a network, a table of images) are sent to each worker once. A unit
whose worker dies is done by another one.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
from distributed import Client, Future, KilledWorker, as_completed

from pipeline.errors import InputError

Item = TypeVar("Item")
Value = TypeVar("Value")
Watch = Callable[[Iterable[Any], int], Iterable[Any]]

CONNECT_TIMEOUT_S = 10.0


def map_on_dask(
    address: str, work: Callable[[Item], Value], items: Sequence[Item], watch: Watch
) -> list[Value]:
    """Return `work(item)` of every item, in order, computed by the workers of a cluster.

    Args:
        address: of the scheduler, such as `tcp://127.0.0.1:8786`.
        work: function that cloudpickle can pickle, as well as items and values.
        items: arguments of `work`.
        watch: function from an iterable and its length to the same items, for a progress bar.

    Raises:
        InputError: see `connect`; or all workers that tried one of the units died.
    """
    with connect(address) as client:
        sent = send_once(client, work)
        futures = [client.submit(apply, sent, item, pure=False) for item in items]
        for _ in watch(as_completed(futures), len(futures)):
            pass
        try:
            return client.gather(futures)
        except KilledWorker as error:
            raise InputError(
                f"PIPELINE_DASK={address}: one unit of work ended every worker that tried it, the "
                f"last at {error.last_worker.address} (is its memory too small?); what is done "
                "is kept"
            ) from error


def connect(address: str) -> Client:
    """Return a client of a cluster whose workers run this project's code in this folder.

    Raises:
        InputError: no scheduler answers, it has no workers, or one of them would read other
            files or run other code.
    """
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise InputError(f"PIPELINE_DASK={address}: no scheduler answers: {error}") from error
    workers = client.run(_place)
    if not workers:
        raise InputError(f"PIPELINE_DASK={address}: the scheduler has no workers")
    for worker, (folder, changed) in workers.items():
        if Path(folder) != Path.cwd():
            raise InputError(f"Dask worker {worker} runs in {folder}; start it in {Path.cwd()}")
        if changed:
            raise InputError(f"Dask worker {worker} is older than {changed[0]}; restart the worker")
    return client


def send_once(client: Client, work: Callable[..., object]) -> Future:
    """Send a function with the objects that it holds to all workers, and return its future."""
    return client.scatter([work], broadcast=True, hash=False)[0]


def apply(work: Callable[[Item], Value], item: Item) -> Value:
    """Return `work(item)`; it runs on a worker."""
    return work(item)


def _place() -> tuple[str, list[str]]:
    """Return a worker's folder, and the project's files that changed since it started."""
    folder, started = Path.cwd(), psutil.Process().create_time()
    return str(folder), [str(file) for file in _loaded(folder) if file.stat().st_mtime > started]


def _loaded(folder: Path) -> Iterator[Path]:
    for module in list(sys.modules.values()):
        file = Path(getattr(module, "__file__", None) or os.devnull)
        if file.is_relative_to(folder) and file.is_file() and ".venv" not in file.parts:
            yield file
