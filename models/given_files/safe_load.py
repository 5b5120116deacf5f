"""Read weight files that somebody else wrote, without running code in them."""

import io
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError  # noqa: TID251 - downloads nothing
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.given_files.careful_unpickler import CarefulUnpickler
from models.given_files.foreign_values import ShownError, ValueBudget
from models.given_files.impostors import cause_of, check_stored, one_line
from models.given_files.pickled_arrays import (
    ARRAY_STAND_INS,
    CHECKPOINT_STAND_INS,
    PickledArray,
    with_arrays,
)
from models.given_files.state_dicts import state_dict_of
from models.given_files.text_files import check_regular, read_bytes

_ASKED = re.compile(r"GLOBAL (?P<name>[\w.]+)")  # in torch's message on a file that would run code
_ADVICE = re.compile(r"(Weights only load failed|Re-running|Please use).*", re.S)
BROKEN = (  # what decoders raise on bytes that are no weight file
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    MemoryError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    SafetensorError,
)

BROKEN_FOLDER = (*BROKEN, ArithmeticError, StrictDataclassError)  # of transformers, on a folder


class ModelFileError(ShownError):
    """A file or folder of a model cannot be read or does not fit; the message names it and why."""


class NonFiniteError(ModelFileError):
    """A loss, a gradient or a weight is NaN or infinite; the message names it."""


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Raise `ModelFileError` for a file that cannot be read or that would run code."""
    try:
        yield
    except (*BROKEN, pickle.UnpicklingError) as error:
        what = "no whole weight file"
        if isinstance(error, pickle.UnpicklingError):
            what = "no weight file, or holds code that will not be run"
        reason = cause_of(path, ValueError(plain_reason(error)))
        raise ModelFileError(f"{path}: is {what}: {reason}") from error


def plain_reason(error: Exception) -> str:
    """Return why a weight file was refused, without torch's advice to run what it holds."""
    text = str(error)
    asked = _ASKED.search(text)
    if asked:
        return f"asks for {asked['name']}"
    plain = _ADVICE.sub("", text.rpartition("WeightsUnpickler error: ")[2])
    return one_line(ValueError(plain or ("it is no pickle" if text else type(error).__name__)))


def load_weights(path: Path) -> dict[str, Any]:
    """Return the mapping in a PyTorch weight file: tensors, arrays of numbers and plain values.

    Objects that hold what a program logged or was told are there, but empty.

    Raises:
        ModelFileError: the file is missing, cut off, no weight file, or asks for more than that.
    """
    stand_ins = [(kind, name) for name, kind in CHECKPOINT_STAND_INS.items()]
    with _refusing(path):
        content = load_torch(path, stand_ins)
        content = with_arrays(content, ValueBudget(path.stat().st_size))
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: holds {type(content).__name__}, not a mapping of tensors")
    return content


def load_torch(path: Path, stand_ins: Sequence[Any]) -> Any:
    """Return the value in a file of torch: tensors, plain values and stand-ins.

    Args:
        path: the file.
        stand_ins: classes and functions, each with the name in the file that it stands for.

    Raises:
        OSError: the file cannot be read; other errors of `BROKEN` and `pickle.UnpicklingError`: it
            is no such file, names anything else to call, or holds more than its bytes.
    """
    check_regular(path)
    check_stored(path)
    with torch.serialization.safe_globals([*stand_ins]):
        return torch.load(path, map_location="cpu", weights_only=True)


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors file.

    Raises:
        ModelFileError: the file is missing, cut off, or no such file.
    """
    with _refusing(path):
        check_regular(path)
        return load_file(path)


class _ArraysOnly(CarefulUnpickler):
    """An unpickler of numpy arrays and plain values that refuses every other global."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return the stand-in of a class of NumPy.

        Raises:
            UnpicklingError: the pickle names any other global.
        """
        short = f"{module}.{name}"
        if short not in _IN_PICKLES:
            raise pickle.UnpicklingError(f"GLOBAL {short}")
        return _IN_PICKLES[short]


def unpickle_arrays(pickled: bytes) -> Any:
    """Return the value in a pickle of numpy arrays and plain values; of an array its one object.

    Raises:
        Exception: of `BROKEN`, or `pickle.UnpicklingError`: it is broken, or names anything else.
    """
    content = _ArraysOnly(io.BytesIO(pickled), encoding="latin1").load()
    if isinstance(content, PickledArray) and not content.has_numbers:
        content = content.item()
    return with_arrays(content, ValueBudget(len(pickled)))


def load_arrays(path: Path) -> dict[str, Any]:
    """Return the mapping in a pickle of numpy arrays, as detectron2's model zoo has them.

    Raises:
        ModelFileError: the file is missing, cut off, no pickle, or holds more than that.
    """
    with _refusing(path):
        content = unpickle_arrays(read_bytes(path))
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: holds {type(content).__name__}, not a mapping of arrays")
    return content


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """Stand for `_codecs.encode`, by which Python 3 writes bytes into old pickles."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"asks for the encoding {encoding}")
    return text.encode("latin1")


_IN_PICKLES: dict[str, Callable[..., Any]] = {
    **ARRAY_STAND_INS,
    "collections.OrderedDict": OrderedDict,
    "_codecs.encode": _latin1_bytes,
}


def read_content(path: Path) -> dict[str, Any]:
    """Return what a checkpoint of any kind holds; its suffix says which.

    `.pkl` is a pickle of arrays, `.safetensors` names itself, all else is PyTorch's.

    Raises:
        ModelFileError: as `load_weights`.
    """
    if path.suffix == ".pkl":
        return load_arrays(path)
    return load_safetensors(path) if path.suffix == ".safetensors" else load_weights(path)


def weights_of(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Return the one set of weights in what a checkpoint holds, see `state_dict_of`.

    Args:
        content: as `read_content` returns it.
        path: of the file, for messages.

    Raises:
        ModelFileError: there is none, or more than one.
    """
    try:
        return state_dict_of(content)
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from error


def check_weights(state: Mapping[str, Any], where: object) -> None:
    """Check every floating-point tensor of a state dict; its other values are left alone.

    Args:
        state: tensors by name.
        where: the file or model that they are of, for the message.

    Raises:
        NonFiniteError: names the first tensor that holds NaN or infinity.
    """
    for name, weight in state.items():
        if isinstance(weight, Tensor) and not _widened(weight).isfinite().all():
            raise NonFiniteError(f"{where}: the weight {name} holds values that are not finite")


def _widened(weight: Tensor) -> Tensor:
    """Return a tensor in a type that torch can judge: not so numbers of eight bits."""
    is_narrow = weight.is_floating_point() and weight.element_size() == 1
    return weight.float() if is_narrow else weight


def load_into(network: nn.Module, state: Mapping[str, Tensor], path: Path, owner: str) -> None:
    """Load weights into a network, in place; names and shapes must be the same.

    Args:
        network: to fill.
        state: tensors by name.
        path: of the weight file, for messages.
        owner: what the network was built from, such as `arch resnet50`, for messages.

    Raises:
        ModelFileError: a tensor is missing, left over, of another shape, or not finite; it names
            the first.
    """
    check_weights(state, path)
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ModelFileError(f"{path}: does not fit {owner}: {one_line(error)}") from error


def load_transformers(
    kind: type[Any], folder: Path, is_left_out: Callable[[str], object], **options: Any
) -> Any:
    """Return a model of transformers with the weights of a folder, all of them and no other.

    Args:
        kind: class of the model.
        folder: that transformers wrote.
        is_left_out: function of a name in the weight file; true if the model needs no such weight.
        options: of `from_pretrained`.

    Raises:
        ModelFileError: a file cannot be read, or a weight is missing, left over, or of another
            shape; transformers itself would fill it with random values.
    """
    try:
        model, report = kind.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, **options
        )
    except (*BROKEN_FOLDER, pickle.UnpicklingError) as error:
        raise ModelFileError(f"{folder}: its model cannot be loaded: {one_line(error)}") from error
    left_over = [key for key in report["unexpected_keys"] if not is_left_out(key)]
    wrong = {
        "missing": report["missing_keys"],
        "of another shape": [key for key, *_ in report["mismatched_keys"]],
        "left over": left_over,
    }
    for problem, keys in wrong.items():
        if keys:
            raise ModelFileError(
                f"{folder}: the weights do not fit config.json: {len(keys)} are {problem}, such as "
                f"{min(keys)}"
            )
    return model


def is_position_index(key: str) -> bool:
    """Return whether a weight only counts positions, which old files of transformers hold."""
    return key.endswith("position_ids")
