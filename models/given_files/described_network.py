"""Build a network as a file that others wrote describes it, and fill it with the weights beside it.

A description may ask for more memory than there is. So its whole numbers must be sizes that a
weight has, or small, and the tensors made for the network may hold little more than the weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from models.given_files.foreign_values import short_text
from models.given_files.impostors import one_line
from models.given_files.safe_load import BROKEN, ModelFileError, load_into

_UNBUILDABLE = (*BROKEN, ArithmeticError)
_SHOWN = 4  # of wrong weights
_SMALL = 10_000  # layers, pixels, classes: a network of so many small parts takes seconds
_MOST_VALUES = 4  # in what is made, per value of the weights: parts are made twice, or thrown away
_FREE_VALUES = 10_000_000  # are made of any network, 40 MB


@dataclass(frozen=True)
class Description:
    """What a network is said to be, by a file that others wrote.

    Attributes:
        path: of the file, for messages.
        owner: what the network is, such as `resnet18 of width 0.5`, for messages.
        values: its content: mappings, sequences and plain values.
        build: makes the network, with random weights.
    """

    path: Path
    owner: str
    values: Any
    build: Callable[[], nn.Module]


def build_with_weights(description: Description, state: Mapping[str, Tensor], path: Path) -> Any:
    """Return the network of a description with the weights of a file, of equal names and shapes.

    Args:
        description: of the network.
        state: tensors by name.
        path: of the weight file, for messages.

    Raises:
        ModelFileError: there is no such network, or the weights are not those of it, or not finite.
    """
    for name, weight in state.items():
        if not isinstance(name, str) or not isinstance(weight, Tensor):
            raise ModelFileError(f"{path}: {short_text(name)} is no tensor with a name")
    with _unbuildable(description.path):
        check_sizes(description.values, state)
        with BoundedTensors(sum(weight.numel() for weight in state.values())):
            network = description.build()
    _check_shapes(network.state_dict(), state, path, description.owner)
    load_into(network, state, path, description.owner)
    return network


@contextmanager
def _unbuildable(path: Path) -> Iterator[None]:
    """Raise `ModelFileError` where a description is of no network."""
    try:
        yield
    except _UNBUILDABLE as error:
        raise ModelFileError(f"{path}: is of no network: {one_line(error)}") from error


class BoundedTensors(TorchFunctionMode):
    """While it is entered, torch makes tensors of little more values than weight files hold.

    Memory that nothing was written to is not taken yet, so a tensor may be judged once it is made.

    Args:
        num_values: that the files hold.

    Raises:
        ValueError: by whatever makes far more.
    """

    def __init__(self, num_values: int) -> None:
        super().__init__()
        self._left = _FREE_VALUES + _MOST_VALUES * num_values

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, and count what it makes from no other tensor."""
        named = kwargs or {}
        made = func(*args, **named)
        is_new = not any(isinstance(given, Tensor) for given in (*args, *named.values()))
        if isinstance(made, Tensor) and is_new:
            self._left -= made.numel()
            if self._left < 0:
                raise ValueError("it asks for far more memory than its weights take")
        return made


def check_sizes(values: Any, state: Mapping[str, Tensor]) -> None:
    """Refuse a whole number that is no size of a weight, nor small.

    Args:
        values: mappings, sequences and plain values.
        state: tensors by name.

    Raises:
        ValueError: there is one.
    """
    sides = (side for weight in state.values() for side in weight.shape)
    _check_most(values, max((_SMALL, *sides)))


def _check_most(values: Any, largest: int) -> None:
    if isinstance(values, int) and values > largest:
        raise ValueError(f"{short_text(values)} is no size of its weights")
    if isinstance(values, Mapping):
        values = [*values.values()]
    if isinstance(values, list | tuple):
        for value in values:
            _check_most(value, largest)


def _check_shapes(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path, owner: str
) -> None:
    """Refuse weights of other names or shapes.

    Raises:
        ModelFileError: names the first few.
    """
    wrong = []
    for name in sorted({*expected, *state}):
        shapes = [tuple(one[name].shape) if name in one else None for one in (expected, state)]
        if shapes[0] != shapes[1]:
            wrong.append(f"{name} must have shape {shapes[0]}, has {shapes[1]}")
    if wrong:
        raise ModelFileError(f"{path}: does not fit {owner}: {'; '.join(wrong[:_SHOWN])}")
