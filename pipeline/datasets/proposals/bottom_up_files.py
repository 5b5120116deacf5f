"""Readers of boxes written by bottom-up attention's extractors: one tsv file, or an npz per image.

The tsv files have no header: peteanderson80/bottom-up-attention writes 6 columns
(tools/generate_tsv.py), airsplay/py-bottom-up-attention, as LXMERT reads them, 10. The npz files
are MILVLG's (`bbox`, `x`, `info`) and UNITER's (`norm_bb`, `conf`). Features and attributes are not
read.

Shapes: M boxes of an image.
"""

import base64
import io
import lzma
import pickle
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from models.given_files.impostors import cause_of
from models.given_files.safe_load import BROKEN, plain_reason, unpickle_arrays
from models.given_files.text_files import check_regular, given_files
from models.ranges import LARGEST
from pipeline.datasets.files import check_file
from pipeline.errors import InputError

TSV_COLUMNS = {
    6: ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features"),
    10: (
        "image_id",
        "image_h",
        "image_w",
        "objects_id",
        "objects_conf",
        "attrs_id",
        "attrs_conf",
        "num_boxes",
        "boxes",
        "features",
    ),
}
_SIZES = ("image_h", "image_w")
_BOXES = ("bbox", "boxes", "norm_bb")
_SCORES = ("objects_conf", "conf", "scores")
_LABELS = ("objects_id",)
_NEEDLESS = {  # names of arrays that say nothing on where a box is or what is in it
    *("image_id", "features", "num_bbox", "num_boxes", "soft_labels"),
    *("attrs_id", "attrs_conf"),
}
_READ = {*_SIZES, *_BOXES, *_SCORES, *_LABELS}
_INFO, _UNTOUCHED, _NPY = "info", ("x",), ".npy"
MOST_BYTES = 2**24  # of one array: a million boxes
_NPZ_ERRORS = (  # of zipfile, NumPy's headers and pickles on damaged files
    *BROKEN,
    SyntaxError,
    tokenize.TokenError,
    zlib.error,
    lzma.LZMAError,
)


class BadRowError(ValueError):
    """A row of one image's boxes that cannot be read; the message names the cause."""


@dataclass(frozen=True)
class GivenBoxes:
    """The boxes of one image in a file.

    Attributes:
        image_id: name of the image in the file.
        image_hw: height and width that the boxes refer to; None: those of the image.
        boxes_xyxy: pixels, or fractions of width and height if `normalised`, float64 (M, 4).
        scores: in [0, 1], float64 (M,); None if the file has none.
        labels: index of each box's class, int64 (M,); None if the file has none.
        normalised: whether boxes are fractions of width and height.
        unread: names of further arrays on the boxes in the file, which are not read.
    """

    image_id: str
    image_hw: tuple[int, int] | None
    boxes_xyxy: NDArray[np.float64]
    scores: NDArray[np.float64] | None
    labels: NDArray[np.int64] | None
    normalised: bool = False
    unread: tuple[str, ...] = ()


def read_given(path: Path) -> Iterator[GivenBoxes | BadRowError]:
    """Yield the boxes of each image of a tsv file or a folder of npz files, or its error.

    Raises:
        InputError: there is no such file or folder, or it is neither.
    """
    if path.is_dir():
        files = sorted(given_files(path, "*.npz"))
        if not files:
            raise InputError(f"{path}: holds no .npz file; name the folder that does")
        for file in files:
            yield _read_or_error(partial(read_npz, file), str(file))
    elif path.is_file():
        check_file(path)
        with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                yield _read_or_error(partial(read_row, line), f"{path}:{number}")
    else:
        raise InputError(
            f"{path}: does not exist; put the tsv file or the folder of npz files there, or change "
            "proposals.given.path"
        )


def read_row(line: str) -> GivenBoxes:
    """Return the boxes in one line of a tsv file.

    Raises:
        BadRowError: it has another number of columns, or a column is malformed.
    """
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) not in TSV_COLUMNS:
        raise BadRowError(f"has {len(columns)} columns, not 6 or 10")
    row = dict(zip(TSV_COLUMNS[len(columns)], columns, strict=True))
    try:
        count, height, width = (int(row[name]) for name in ("num_boxes", "image_h", "image_w"))
    except ValueError as error:
        raise BadRowError(f"{error}; a size or a count is no whole number") from error
    _check_size(height, width)
    boxes_xyxy = _decoded(row["boxes"], np.float32, 4 * count).reshape(count, 4)
    scores, labels = None, None
    if "objects_id" in row:
        scores = _decoded(row["objects_conf"], np.float32, count).astype(np.float64)
        labels = _decoded(row["objects_id"], np.int64, count)
    return GivenBoxes(
        row["image_id"], (height, width), boxes_xyxy.astype(np.float64), scores, labels
    )


def read_npz(path: Path) -> GivenBoxes:
    """Return the boxes in the npz file of one image, whose id is the file name without suffix.

    Raises:
        BadRowError: it cannot be read, or holds no boxes.
    """
    try:
        arrays, names = _read_arrays(path)
    except _NPZ_ERRORS as error:
        cause = cause_of(path, error)
        raise BadRowError(f"is no npz file with plain arrays: {cause}") from error
    name = next((key for key in _BOXES if key in arrays), None)
    if name is None:
        raise BadRowError(f"holds no bbox, boxes or norm_bb but {', '.join(sorted(names))}")
    boxes = _numbers(arrays, name)
    columns = f"(M, {'4 or more' if name == 'norm_bb' else 4})"
    if boxes.ndim != 2 or boxes.shape[1] < 4 or (boxes.shape[1] > 4 and name != "norm_bb"):
        raise BadRowError(f"{name} has shape {boxes.shape}, not {columns}")
    image_hw = _size(arrays) if all(key in arrays for key in _SIZES) else None
    scores, scores_name = _column(arrays, _SCORES, len(boxes))
    labels, labels_name = _column(arrays, _LABELS, len(boxes))
    if labels is not None and not all(map(float.is_integer, labels.tolist())):
        raise BadRowError(f"{labels_name} are no whole numbers")
    unread = names - {*_NEEDLESS, *_SIZES, name, scores_name, labels_name}
    return GivenBoxes(
        path.stem,
        image_hw,
        boxes[:, :4],
        scores,
        None if labels is None else labels.astype(np.int64),
        name == "norm_bb",
        tuple(sorted(unread)),
    )


def _read_or_error(read: Callable[[], GivenBoxes], where: str) -> GivenBoxes | BadRowError:
    try:
        return read()
    except BadRowError as error:
        return BadRowError(f"{where}: {error}")


def _decoded(text: str, dtype: Any, count: int) -> NDArray[Any]:
    """Return the numbers in a base64 text."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as error:  # also of letters beyond ASCII
        raise BadRowError(f"is not base64: {error}") from error
    if len(content) != count * np.dtype(dtype).itemsize:
        raise BadRowError(f"{len(content)} bytes are not {count} numbers of {np.dtype(dtype).name}")
    return np.frombuffer(content, dtype)


def _column(
    arrays: Mapping[str, Any], names: tuple[str, ...], count: int
) -> tuple[NDArray[np.float64] | None, str]:
    """Return the first existing column of some names, one value per box, and its name."""
    name = next((name for name in names if name in arrays), "")
    if not name:
        return None, name
    column = _numbers(arrays, name)
    if column.shape != (count,):
        raise BadRowError(f"{name} has shape {column.shape}, there are {count} boxes")
    return column, name


def _numbers(arrays: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(arrays[name])
        if array.dtype.kind not in "iufb" and array.size:
            raise TypeError(f"holds {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BadRowError(f"{name} is no array of numbers: {error}") from error


def _size(arrays: Mapping[str, Any]) -> tuple[int, int]:
    """Return height and width."""
    sizes = [_numbers(arrays, name) for name in _SIZES]
    if any(size.size != 1 or not float(size.item()).is_integer() for size in sizes):
        raise BadRowError("image_h or image_w is no whole number")
    height, width = (int(size.item()) for size in sizes)
    _check_size(height, width)
    return height, width


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 1:
        raise BadRowError(f"an image of {height} x {width} pixels has none")
    if max(height, width) > LARGEST:
        raise BadRowError(f"an image has no side of more than {LARGEST} pixels")


def _read_arrays(path: Path) -> tuple[dict[str, Any], set[str]]:
    """Return the arrays in an npz file that are of use, and the names of all that it holds.

    Raises:
        Exception: one of `_NPZ_ERRORS`.
    """
    check_regular(path)
    with zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(_NPY) for name in archive.namelist()}
        arrays = {name: _array(_member(archive, name)) for name in sorted(names & _READ)}
        info = _info(_member(archive, _INFO)) if _INFO in names else {}
    return arrays | info, (names - {_INFO, *_UNTOUCHED}) | set(info)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the bytes of an array in its file."""
    member = archive.getinfo(f"{name}{_NPY}")
    if member.file_size > MOST_BYTES:
        raise ValueError(f"{name} has more than {MOST_BYTES} bytes")
    return archive.read(member)


def _array(content: bytes) -> NDArray[Any]:
    """Return the array in the bytes of an npy file; as many values as its header says must follow.

    `numpy.load` makes room for what a header says before it looks for the values.
    """
    stream = io.BytesIO(content)
    shape, is_fortran, dtype = _read_header(stream)
    if min(shape, default=0) < 0:
        raise ValueError(f"an array has no shape {shape}")
    flat = np.frombuffer(content, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the first axis runs fastest, and dtype."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"npy version {version} is unknown")


def _info(content: bytes) -> dict[str, Any]:
    """Return MILVLG's `info`: a mapping, pickled into an array of one object."""
    stream = io.BytesIO(content)
    _read_header(stream)
    try:
        info = unpickle_arrays(stream.read())
    except pickle.UnpicklingError as error:
        raise ValueError(f"info {plain_reason(error)}, which will not be run") from error
    if not isinstance(info, dict):
        raise ValueError("info is no mapping")
    return {str(name): value for name, value in info.items()}
