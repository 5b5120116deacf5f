"""Shards: parts of a long computation on disk, which survive a kill and are merged at the end.

Shard `i` lies in `$DVC_ROOT/.work/<stage>/<fingerprint>/`, outside DVC's outputs, which DVC removes
before it runs a stage. `PIPELINE_PART=i/N` computes every N-th shard, from the i-th on (0 <= i <
N), and stops before the merge: N machines on one disk share a stage that way.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pipeline.caching.atomic import WriteError, work_folder
from pipeline.caching.cache import (
    CACHE_SUFFIX,
    Cache,
    CacheAccessError,
    CacheError,
    Provenance,
    write_cache,
)
from pipeline.caching.stored_array import StoredArray
from pipeline.errors import InputError
from pipeline.observe.observer import Observer

Arrays = Mapping[str, NDArray[Any]]

_CHECKSUM = "crc32 "  # before the name of an array


@dataclass(frozen=True)
class ShardPlan:
    """Partition of a stage's items into shards; no items make one empty shard.

    Attributes:
        stage: name of the stage.
        fingerprint: hash of all that the result depends on; shards of another one are ignored.
        num_items: number of items.
        items_per_shard: number of items of a shard; the last shard may have fewer.
    """

    stage: str
    fingerprint: str
    num_items: int
    items_per_shard: int

    @property
    def folder(self) -> Path:
        """Folder of the shards."""
        return work_folder(self.stage, self.fingerprint)

    @property
    def num_shards(self) -> int:
        """Number of shards, at least one."""
        return max(1, -(-self.num_items // self.items_per_shard))

    def items(self, shard: int) -> range:
        """Return the items of a shard."""
        start = shard * self.items_per_shard
        return range(start, min(start + self.items_per_shard, self.num_items))

    def file(self, shard: int) -> Path:
        """Return the file of a shard, named by its items, which depend on `items_per_shard`."""
        items = self.items(shard)
        return self.folder / f"{items.start:09d}-{items.stop:09d}{CACHE_SUFFIX}"


@dataclass(frozen=True)
class ShardedArray:
    """An array whose rows lie in the shards one after another, of which one is read at a time.

    `np.asarray` reads them all.

    Attributes:
        parts: where the rows of each shard lie, with their checksum.
    """

    parts: tuple[tuple[StoredArray, int], ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of every shard's rows."""
        return self.parts[0][0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all rows together."""
        return (sum(part.shape[0] for part, _ in self.parts), *self.parts[0][0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the rows of each shard.

        Raises:
            CacheError: a shard is damaged.
        """
        for part, checksum in self.parts:
            yield _read(part, checksum)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.concatenate([*self.blocks()], dtype=dtype, casting="unsafe")


def run_shards(
    plan: ShardPlan, compute: Callable[[range], Arrays], observer: Observer
) -> dict[str, ShardedArray]:
    """Compute the shards that are not on disk yet, then return all of them as one.

    Args:
        plan: partition of the items.
        compute: function from some items to their arrays, of the same names and dtypes for any
            items, also for none; they are concatenated along axis 0.
        observer: reports one unit of work per shard.

    Returns:
        Each array of `compute`, concatenated along axis 0 in the order of the items; it stays on
        disk, and there until `remove_shards`.

    Raises:
        SystemExit: `PIPELINE_PART` is set, and its shards are done; they are not merged.
        InputError: `PIPELINE_PART` is not of the form i/N, or a shard cannot be written, or not be
            opened; the shards before it stay.
    """
    part, num_parts = _part()
    observer.fact("fingerprint", plan.fingerprint)
    own = range(part, plan.num_shards, num_parts)
    missing = [shard for shard in own if not _is_whole(plan, shard, observer)]
    if len(missing) < len(own):
        observer.log(f"{len(own) - len(missing)} of {len(own)} shards already there")
    files = {shard: plan.file(shard).absolute() for shard in missing}  # a worker has no DVC_ROOT
    observer.map(
        lambda shard: _write(plan, files[shard], compute(plan.items(shard))), missing, "shards"
    )
    if num_parts > 1:
        observer.log(f"part {part}/{num_parts} is done; a run without PIPELINE_PART merges")
        raise SystemExit(0)
    return _merge(plan)


def remove_shards(plan: ShardPlan) -> None:
    """Remove the shards of this fingerprint; call it after the merged result is written."""
    shutil.rmtree(plan.folder, ignore_errors=True)


def _part() -> tuple[int, int]:
    """Return (i, N): this process computes part i of N."""
    text = os.environ.get("PIPELINE_PART", "0/1")
    part, _, num_parts = text.partition("/")
    if not (part.isdecimal() and num_parts.isdecimal() and int(part) < int(num_parts)):
        raise InputError(f"PIPELINE_PART={text}: must be i/N with 0 <= i < N, such as 0/4")
    return int(part), int(num_parts)


def _is_whole(plan: ShardPlan, shard: int, observer: Observer) -> bool:
    if not plan.file(shard).exists():
        return False
    try:
        with _opened(plan, shard) as cache:
            for name in _names(cache):
                _read(cache.stored(name), cache.attribute(_CHECKSUM + name))
    except CacheAccessError:
        raise
    except CacheError as error:
        observer.log(f"computing a damaged shard again: {error}")
        return False
    return True


def _write(plan: ShardPlan, file: Path, arrays: Arrays) -> None:
    """Write a shard, unflushed: what a power cut takes of it, its checksums miss."""
    sums = {_CHECKSUM + name: _checksum(array) for name, array in arrays.items()}
    attributes: dict[str, str | int] = {"names": " ".join(sorted(arrays)), **sums}
    provenance = Provenance(plan.stage, plan.fingerprint)
    try:
        write_cache(file, arrays, {}, attributes, provenance, flush=False)
    except (WriteError, FileNotFoundError) as error:
        if FileNotFoundError not in (type(error), type(error.__cause__)):
            raise
        raise InputError(
            f"{file.parent}: another run of this stage has merged the shards and removed them; "
            "nothing is lost, and nothing is left to do here"
        ) from error


@contextmanager
def _opened(plan: ShardPlan, shard: int) -> Iterator[Cache]:
    """Yield a shard, closed at the end.

    Raises:
        CacheError: the file is damaged, or another stage's or fingerprint's.
    """
    cache = Cache(plan.file(shard), plan.stage)
    if cache.fingerprint != plan.fingerprint:
        raise _damage(cache.path)
    try:
        yield cache
    finally:
        cache.close()


def _names(cache: Cache) -> list[str]:
    return str(cache.attribute("names")).split()


def _read(part: StoredArray, checksum: object) -> NDArray[Any]:
    """Return a map of an array of a shard, checked against the checksum written with it.

    Raises:
        CacheError: the file is damaged or gone.
    """
    try:
        array = part.map()
    except (OSError, ValueError) as error:
        raise _damage(part.path) from error
    if _checksum(array) != checksum:
        raise _damage(part.path)
    return array


def _damage(file: Path) -> CacheError:
    return CacheError(f"{file}: its contents are not what was written; remove it and run again")


def _checksum(array: NDArray[Any]) -> int:
    """Return the CRC-32 of an array's dtype, shape and bytes; it finds accidents, not forgeries."""
    start = crc32(f"{array.dtype} {array.shape}".encode())
    return crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, start)


def _merge(plan: ShardPlan) -> dict[str, ShardedArray]:
    """Return all shards as one; each array is checked when it is read."""
    parts: dict[str, list[tuple[StoredArray, int]]] = {}
    for shard in range(plan.num_shards):
        with _opened(plan, shard) as cache:
            for name in _names(cache):
                checksum = int(cache.attribute(_CHECKSUM + name))
                parts.setdefault(name, []).append((cache.stored(name), checksum))
    for name, stored in parts.items():
        kinds = {(part.dtype, part.shape[1:]) for part, _ in stored}
        if len(kinds) > 1 or len(stored) < plan.num_shards:
            raise ValueError(f"shards differ in `{name}`: {kinds}, in {len(stored)} of them")
    return {name: ShardedArray(tuple(stored)) for name, stored in parts.items()}
