"""How a stage tells a person what it is doing: on the console, and in Prefect if it answers."""

import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from tqdm import tqdm

from pipeline.errors import InputError

Item = TypeVar("Item")
Value = TypeVar("Value")


class Observer:
    """Reports to the console."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def log(self, message: str) -> None:
        """Say one line."""
        tqdm.write(f"[{self.stage}] {message}")

    def fact(self, name: str, value: str) -> None:
        """Tell what identifies this run, such as its fingerprint; the console does without."""

    def progress(self, items: Iterable[Item], total: int, label: str) -> Iterable[Item]:
        """Return `items` behind a progress bar."""
        return tqdm(items, total=total, desc=f"[{self.stage}] {label}", mininterval=1.0)

    def map(self, work: Callable[[Item], Value], items: Sequence[Item], label: str) -> list[Value]:
        """Return `work(item)` of every item, in order; each is one unit of work to be watched.

        With PIPELINE_DASK=tcp://HOST:PORT it is done by the workers of that Dask cluster.
        """
        if cluster := cluster_address():
            from pipeline.observe.dask_workers import map_on_dask  # an optional part

            return map_on_dask(cluster, work, items, partial(self.progress, label=label))
        return [work(item) for item in self.progress(items, len(items), label)]

    def table(self, key: str, rows: Sequence[dict[str, Any]]) -> None:
        """Show a table: rows of equal keys."""
        names = list(rows[0]) if rows else []
        lines = [names, *([str(row[name]) for name in names] for row in rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
        self.log(key)
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.log("  " + "  ".join(cells))

    def markdown(self, key: str, text: str, pictures: Sequence[tuple[str, bytes]] = ()) -> None:
        """Show a text and its pictures, PNG or JPEG, each with the address that the text gives it.

        The console does without.
        """

    def image(self, key: str, content: bytes, caption: str) -> None:
        """Show a PNG or JPEG picture; the console does without."""


def cluster_address() -> str | None:
    """Return the address of the Dask scheduler that PIPELINE_DASK names, if it names one.

    Raises:
        InputError: Dask is not installed.
    """
    address = os.environ.get("PIPELINE_DASK") or None
    if address and importlib.util.find_spec("prefect_dask") is None:
        raise InputError(f"PIPELINE_DASK={address} needs Dask: pip install -e '.[dask]'")
    return address
