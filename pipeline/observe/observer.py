"""Reports of a running stage: log lines, progress, tables and pictures, on the console."""

import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

from tqdm import tqdm

from pipeline.errors import InputError

Item = TypeVar("Item")
Value = TypeVar("Value")


class Observer:
    """Reports to the console; `PrefectObserver` also to a Prefect server."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._bars: WeakSet[tqdm[Any]] = WeakSet()

    def __reduce__(self) -> tuple[type["Observer"], tuple[str]]:
        """Pickle as an observer that writes to the console, and has no bar yet."""
        return Observer, (self.stage,)

    def close(self) -> None:
        """Leave no progress bar open, so that the next line on the console is one of its own."""
        for bar in [*self._bars]:
            bar.close()

    def log(self, message: str) -> None:
        """Write one log line."""
        tqdm.write(f"[{self.stage}] {message}")

    def fact(self, name: str, value: str) -> None:
        """Report a value that identifies this run, such as its fingerprint; not on the console."""

    def progress(self, items: Iterable[Item], total: int, label: str) -> Iterable[Item]:
        """Return `items`, with a progress bar while they are consumed."""
        bar = tqdm(items, total=total, desc=f"[{self.stage}] {label}", mininterval=1.0)
        self._bars.add(bar)
        return bar

    def map(self, work: Callable[[Item], Value], items: Sequence[Item], label: str) -> list[Value]:
        """Return `work(item)` of every item, in order; each is reported as one unit of work.

        With PIPELINE_DASK=tcp://HOST:PORT the workers of that Dask cluster compute them.
        """
        if cluster := cluster_address():
            from pipeline.observe.dask_workers import map_on_dask  # an optional part

            return map_on_dask(cluster, work, items, partial(self.progress, label=label))
        return [work(item) for item in self.progress(items, len(items), label)]

    def table(self, key: str, rows: Sequence[dict[str, Any]]) -> None:
        """Show a table; the rows have the same keys."""
        names = list(rows[0]) if rows else []
        lines = [names, *([str(row[name]) for name in names] for row in rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
        self.log(key)
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.log("  " + "  ".join(cells))

    def markdown(self, key: str, text: str, pictures: Sequence[tuple[str, bytes]] = ()) -> None:
        """Show a Markdown text with its pictures; not on the console.

        Args:
            key: name of the text.
            text: Markdown.
            pictures: address in the text and content, PNG or JPEG, of each picture.
        """

    def image(self, key: str, content: bytes, caption: str) -> None:
        """Show a PNG or JPEG picture; not on the console."""


def cluster_address() -> str | None:
    """Return the address of the Dask scheduler in PIPELINE_DASK, or None.

    Raises:
        InputError: Dask is not installed.
    """
    address = os.environ.get("PIPELINE_DASK") or None
    if address and importlib.util.find_spec("prefect_dask") is None:
        raise InputError(f"PIPELINE_DASK={address} needs Dask: pip install -e '.[dask]'")
    return address
