"""A linear multi-label head on pooled features, and its folder.

Shapes: C channels, N nouns.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.finite import check_weights
from models.safe_load import ModelFileError, write_json

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
        ModelFileError: a file is missing or malformed, or a weight is not finite.
    """
    nouns = read_head_nouns(folder)
    try:
        weights = load_file(folder / _WEIGHTS_FILE)
        check_weights(weights, folder / _WEIGHTS_FILE)
        return NounHead(nouns, weights["weight"], weights["bias"])
    except (OSError, SafetensorError, KeyError) as error:
        raise ModelFileError(f"{folder}: holds no noun head: {error}") from error


def read_head_nouns(folder: Path) -> tuple[str, ...]:
    """Return the nouns of the head of a folder.

    Raises:
        ModelFileError: the file is missing or malformed.
    """
    try:
        return tuple(json.loads((folder / _NOUNS_FILE).read_text(encoding="utf-8")))
    except (OSError, json.JSONDecodeError, TypeError) as error:
        raise ModelFileError(f"{folder}: holds no noun head: {error}") from error
