"""A linear multi-label head on pooled features, and its folder.

Shapes: C channels, N nouns.
"""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from models.given_files.impostors import cause_of
from models.given_files.json_files import read_json_value, write_json
from models.given_files.safe_load import ModelFileError, check_weights, load_safetensors

_NOUNS_FILE, _WEIGHTS_FILE = "nouns.json", "head.safetensors"


@dataclass(frozen=True)
class NounHead:
    """Linear scores of nouns: logits = weight @ pooled features + bias.

    Attributes:
        nouns: the N nouns, lower case.
        weight: float32 (N, C).
        bias: float32 (N,).
    """

    nouns: tuple[str, ...]
    weight: Tensor
    bias: Tensor


def save_noun_head(folder: Path, head: NounHead) -> None:
    """Write `head.safetensors` and `nouns.json`; equal heads give equal bytes.

    Raises:
        NonFiniteError: a weight is not finite; nothing is written.
    """
    weights = {"weight": head.weight.contiguous(), "bias": head.bias.contiguous()}
    check_weights(weights, folder / _WEIGHTS_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / _NOUNS_FILE, head.nouns, indent=0)
    save_file(weights, folder / _WEIGHTS_FILE)


def load_noun_head(folder: Path) -> NounHead:
    """Return the head of a folder.

    Raises:
        ModelFileError: a file is missing or malformed, the two do not fit, or a
            weight is not finite.
    """
    nouns, path = read_head_nouns(folder), folder / _WEIGHTS_FILE
    weights = load_safetensors(path)
    if set(weights) != {"weight", "bias"}:
        raise ModelFileError(f"{path}: holds {', '.join(sorted(weights))}, not weight and bias")
    weight, bias = weights["weight"], weights["bias"]
    if weight.ndim != 2 or bias.shape != (len(nouns),) or len(weight) != len(nouns):
        raise ModelFileError(
            f"{path}: weight {tuple(weight.shape)} and bias {tuple(bias.shape)} do not fit the "
            f"{len(nouns)} nouns of {_NOUNS_FILE}"
        )
    check_weights(weights, path)
    return NounHead(nouns, weight, bias)


def read_head_nouns(folder: Path) -> tuple[str, ...]:
    """Return the nouns of the head of a folder.

    Raises:
        ModelFileError: the file is missing or malformed.
    """
    path = folder / _NOUNS_FILE
    try:
        nouns = read_json_value(path)
    except (OSError, ValueError) as error:
        cause = cause_of(path, error)
        raise ModelFileError(f"{path}: holds no nouns of a head: {cause}") from error
    if not isinstance(nouns, list) or not all(isinstance(noun, str) for noun in nouns):
        raise ModelFileError(f"{path}: must hold a list of nouns")
    return tuple(nouns)
