"""Caches between stages: HDF5 files that appear whole, with provenance and reproducible bytes.

Format 2. Root attributes `format_version`, `stage`, `fingerprint` and the stage's own; texts among
them have a fixed length. An array lies in the dataset of its name; a list of N texts is a group of
two datasets: `utf8`, the texts one after another, uint8 (bytes,), and `offsets`, int64 (N + 1,).
Datasets are contiguous, not compressed, and carry no times; names and attributes are written in
sorted order.
"""

import fcntl
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from models.given_files.foreign_values import short_text
from models.given_files.impostors import cause_of, one_line
from models.given_files.text_files import check_regular
from pipeline.caching.atomic import whole_file
from pipeline.caching.attributes import read_attribute, write_attributes
from pipeline.caching.hdf5_room import check_room, cut_to_size, most_bytes, reserve
from pipeline.caching.runs import row_offsets
from pipeline.caching.stored_array import StoredArray
from pipeline.errors import InputError
from pipeline.text_index import PackedTexts

FORMAT_VERSION = 2
_NUMBERS = "biuf"  # kinds of dtypes that a cache has
CACHE_SUFFIX = ".h5"
# of h5py on damaged files
_READ_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)


class CacheError(InputError):
    """A missing, damaged or foreign cache; the message names file, cause and remedy."""


class CacheAccessError(CacheError):
    """A cache that may be whole but cannot be opened now: locked, not permitted, no file."""


@dataclass(frozen=True)
class Provenance:
    """Origin of a cache.

    Attributes:
        stage: that wrote it.
        fingerprint: hash of all inputs, see `pipeline.caching.fingerprint`.
    """

    stage: str
    fingerprint: str


class Blocks(Protocol):
    """An array that is not in memory: blocks of its rows, one after another."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of all rows together."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype of every block."""
        ...

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the blocks in order."""
        ...


def write_cache(
    path: Path,
    arrays: Mapping[str, NDArray[Any] | Blocks],
    texts: Mapping[str, Sequence[str]],
    attributes: Mapping[str, str | int | float],
    provenance: Provenance,
    *,
    flush: bool = True,
) -> None:
    """Write a cache that appears whole or not at all; equal arguments give equal bytes.

    Args:
        path: the HDF5 file; its folder is made, an old file is replaced.
        arrays: by name, of any shape and of bool, integer or float dtype; or in blocks, which are
            read one at a time.
        texts: by name, lists of any length of any Unicode text.
        attributes: by name, in addition to format, stage and fingerprint.
        provenance: stage and fingerprint.
        flush: see `whole_file`.

    Raises:
        ValueError: a name is used twice, or an attribute cannot be kept, see `write_attributes`.
    """
    reserved = {"format_version": FORMAT_VERSION, **vars(provenance)}
    twice = (set(arrays) & set(texts)) | (set(attributes) & set(reserved))
    if twice:
        raise ValueError(f"{path}: `{min(twice)}` is given twice")
    own = {**attributes, **reserved}
    sizes = [math.prod(array.shape) * array.dtype.itemsize for array in arrays.values()]
    with (
        whole_file(path, flush=flush) as partial,
        _new_file(partial, most_bytes(sizes, texts, own)) as file,
    ):
        write_attributes(file, own)
        for name in sorted({*arrays, *texts}):
            if name in texts:
                _write_texts(file.create_group(name), texts[name])
            else:
                _write_array(file, name, arrays[name])


def read_provenance(path: Path) -> Provenance:
    """Return the stage and the fingerprint of a cache.

    Raises:
        CacheError: the file is missing, truncated, not HDF5, or not a cache of this format
            (`CacheAccessError`: it cannot be opened now).
    """
    with _open(path) as file, _damage_named(path):
        if not {"format_version", "stage", "fingerprint"} <= set(file.attrs):
            raise CacheError(f"{path}: is HDF5 but no cache of this project; {_remedy(path)}")
        version = read_attribute(file, "format_version")
        if version != FORMAT_VERSION:
            raise CacheError(
                f"{path}: has cache format {short_text(version)}, this code reads format "
                f"{FORMAT_VERSION}; {_remedy(path)}"
            )
        stage, fingerprint = (read_attribute(file, name) for name in ("stage", "fingerprint"))
    return Provenance(str(stage), str(fingerprint))


@contextmanager
def damage_as_cache_error(path: Path) -> Iterator[None]:
    """Raise `CacheError` where what was read of a cache does not fit together."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise CacheError(
            f"{path}: its contents do not belong together: {one_line(error)}; {_remedy(path)}"
        ) from error


class Cache:
    """Read-only view of one cache, checked when made, opened at the first read in each process.

    It can be pickled and used after a fork; file handles are not shared.

    Attributes:
        path: the HDF5 file.
        fingerprint: hash of all inputs of the cache.
    """

    def __init__(self, path: Path, stage: str) -> None:
        """Check that the file is whole and was written by `stage`.

        Raises:
            CacheError: as `read_provenance`, or another stage wrote the file.
        """
        provenance = read_provenance(path)
        if provenance.stage != stage:
            written_by = short_text(provenance.stage)[1:-1]  # without quotes
            raise CacheError(
                f"{path}: was written by stage `{written_by}`, a cache of stage `{stage}` is "
                f"needed; {_remedy(path)}"
            )
        self.path = path
        self.fingerprint = provenance.fingerprint
        self._file: Any = None
        self._pid = os.getpid()

    def array(self, name: str) -> NDArray[Any]:
        """Return a whole array.

        Raises:
            CacheError: there is no such array, or it cannot be read.
        """
        return self._read(name)

    def texts(self, name: str) -> list[str]:
        """Return a list of texts.

        Raises:
            CacheError: there are no such texts, or they cannot be read.
        """
        utf8, offsets = self._read(f"{name}/utf8"), self._read(f"{name}/offsets")
        with damage_as_cache_error(self.path):
            return [*PackedTexts(utf8, offsets)]

    def mapped(self, name: str) -> NDArray[Any]:
        """Return a whole array as a map of the file, see `StoredArray.map`.

        Raises:
            CacheError: there is no such array, or it cannot be read.
        """
        try:
            return self.stored(name).map()
        except (OSError, ValueError) as error:
            raise self._read_error(name, error) from error

    def stored(self, name: str) -> StoredArray:
        """Return where an array lies.

        Raises:
            CacheError: there is no such array.
        """
        dataset = self._dataset(name)
        try:
            offset = dataset.id.get_offset()
            return StoredArray(self.path, dataset.dtype, dataset.shape, offset)
        except _READ_ERRORS as error:
            raise self._read_error(name, error) from error

    def packed_texts(self, name: str) -> PackedTexts:
        """Return a list of texts as maps of the file, see `mapped`.

        Raises:
            CacheError: there are no such texts, or they cannot be read.
        """
        return PackedTexts(self.mapped(f"{name}/utf8"), self.mapped(f"{name}/offsets"))

    def attribute(self, name: str) -> str | int | float:
        """Return one of the stage's own attributes.

        Raises:
            CacheError: there is no such attribute, or it is no text of fixed length and no number.
        """
        file = self._opened()
        with _damage_named(self.path):
            if name not in file.attrs:
                raise CacheError(f"{self.path}: has no attribute `{name}`; {_remedy(self.path)}")
            return read_attribute(file, name)

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def _opened(self) -> Any:
        if self._pid != os.getpid():
            self.close()  # of a forked process: the parent's handle, closed for this process only
        if self._file is None:
            if read_provenance(self.path).fingerprint != self.fingerprint:
                raise CacheAccessError(
                    f"{self.path}: another file has taken its place since this program began; "
                    "run it again when nothing else writes here"
                )
            self._file, self._pid = _open(self.path), os.getpid()
        return self._file

    def _read(self, name: str) -> NDArray[Any]:
        dataset = self._dataset(name)
        try:
            return dataset[:]
        except _READ_ERRORS as error:
            raise self._read_error(name, error) from error

    def _dataset(self, name: str) -> Any:
        file = self._opened()
        try:
            return _stored(file, name, self.path)
        except _READ_ERRORS as error:
            raise self._read_error(name, error) from error

    def _read_error(self, name: str, error: Exception) -> CacheError:
        return CacheError(f"{self.path}: `{name}` cannot be read: {error}; {_remedy(self.path)}")


@contextmanager
def _new_file(path: Path, num_bytes: int) -> Iterator[Any]:
    """Yield a new HDF5 file that has room for so many bytes; it keeps those that it needs."""
    check_room(path, num_bytes)
    with h5py.File(path, "w", locking=False) as file:
        reserve(file.id.get_vfd_handle(), num_bytes)
        yield file
    cut_to_size(path)


def _write_array(file: Any, name: str, array: NDArray[Any] | Blocks) -> None:
    if isinstance(array, np.ndarray):
        file.create_dataset(name, data=array, track_times=False)
        return
    dataset = file.create_dataset(name, array.shape, array.dtype, track_times=False)
    start = 0
    for block in array.blocks():
        dataset[start : start + len(block)] = block
        start += len(block)


def _write_texts(group: Any, texts: Sequence[str]) -> None:
    encoded = [text.encode() for text in texts]
    utf8 = np.frombuffer(b"".join(encoded), np.uint8)
    group.create_dataset("offsets", data=row_offsets([*map(len, encoded)]), track_times=False)
    group.create_dataset("utf8", data=utf8, track_times=False)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Raise `CacheError` where attributes of a cache cannot be read."""
    try:
        yield
    except InputError:
        raise
    except _READ_ERRORS as error:
        raise CacheError(f"{path}: is damaged: {one_line(error)}; {_remedy(path)}") from error


def _stored(file: Any, name: str, path: Path) -> Any:
    """Return a dataset that lies in the file itself, with as many bytes as it has values.

    A link, a virtual or an external dataset would lead into another file; one that is packed, or
    that only its fill value makes, could be larger than any memory. The kind is looked at
    first: where else it is stored comes with its fill value, and a text's would lie in a heap.

    Raises:
        ValueError: it is one of these.
    """
    for parent in (*PurePosixPath(name).parents, PurePosixPath(name)):
        link = file.get(str(parent), getlink=True) if parent.name else h5py.HardLink()
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{parent} is a link")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in _NUMBERS:
        raise ValueError("it is no array of numbers")
    if dataset.shape is None:
        raise ValueError("it has no values")
    if dataset.is_virtual or dataset.external or dataset.chunks:
        raise ValueError("it is stored otherwise than a cache is")
    if dataset.id.get_storage_size() != dataset.nbytes or dataset.nbytes > path.stat().st_size:
        raise ValueError(f"it says to have {dataset.nbytes} bytes, which the file does not hold")
    return dataset


def _open(path: Path) -> Any:
    try:
        check_regular(path)
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise _open_error(path, error) from error


def _open_error(path: Path, error: OSError) -> CacheError:
    """Return the error of a file that cannot be opened; HDF5 gives those of the disk a number."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return CacheError(f"{path}: does not exist; {_remedy(path)}")
    if _is_locked(path):
        return CacheAccessError(f"{path}: is open in another program that writes to it; close that")
    if "locking flag values" in str(error):  # HDF5 opens a file once a process
        return CacheAccessError(f"{path}: is open in this program already; close it there")
    if "already open for write" in str(error):
        return CacheAccessError(
            f"{path}: is marked as open in another program that writes to it; close that, or, if "
            f"it was killed, remove the file: {_remedy(path)}"
        )
    if error.errno is not None:
        return CacheAccessError(
            f"{path}: cannot be opened: {os.strerror(error.errno).lower()}; a cache is a file that "
            "may be read"
        )
    return CacheError(f"{path}: is damaged or not HDF5: {cause_of(path, error)}; {_remedy(path)}")


def _is_locked(path: Path) -> bool:
    """Return whether another holder of the file keeps readers out, as HDF5 does while it writes."""
    try:
        check_regular(path)
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:  # another one: it cannot be opened at all, or its disk knows no locks
        return isinstance(error, BlockingIOError)
    return False


def _remedy(path: Path) -> str:
    """Return the command that makes the file; caches are named after the stage that writes them."""
    return f"`dvc repro {path.stem}` makes it anew"
