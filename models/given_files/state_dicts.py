"""The one set of weights in a checkpoint, wherever the program that saved it put it.

The tensors lie at the top, or below one of `WRAPPERS`, one in another if need be; whatever lies
beside them is left out. In what mmengine saved, `state_dict` counts, as it does for mmengine. Any
other file with more than one set is ambiguous. A prefix of `PREFIXES` that all names share goes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

_AVERAGED = ("ema", "ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "params_ema")
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "params",
    "weights",
    *_AVERAGED,
)
PREFIXES = ("module.", "_orig_mod.", "model.")
_COUNTERS = {"n_averaged", "steps"}  # of an averaged model, beside its module
_MOST_NAMES = 8


def state_dict_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name.

    Args:
        content: what the file holds: tensors, arrays and plain values.

    Raises:
        ValueError: there is no set of weights or more than one, only some of the names have a
            prefix, or an array holds no numbers; the message names the keys.
    """
    sets = dict(_sets_of(content, ""))
    if "state_dict" in sets and _is_of_mmengine(content):
        sets = {"state_dict": sets["state_dict"]}
    if len(sets) > 1:
        raise ValueError(f"holds more than one set of weights: {', '.join(sets)}; keep one of them")
    if not sets:
        raise ValueError(
            f"holds no tensors, neither at its top nor below {', '.join(WRAPPERS)}, "
            f"but {', '.join(map(str, list(content)[:_MOST_NAMES])) or 'nothing'}"
        )
    (weights,) = sets.values()
    return _without_prefixes(_tensors(weights))


def _sets_of(content: Mapping[str, Any], place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the dotted key of each set of weights, and the mapping that it is in."""
    if any(_is_tensor(value) for value in content.values()):
        yield place or "the top", content
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            yield from _sets_of(content[key], f"{place}.{key}".lstrip("."))


def _is_of_mmengine(content: Mapping[str, Any]) -> bool:
    meta = content.get("meta")
    return "message_hub" in content or (isinstance(meta, Mapping) and "mmengine_version" in meta)


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor | np.ndarray)


def _tensors(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a mapping; the mapping itself, with its metadata, if it has no more."""
    metadata = getattr(weights, "_metadata", {})  # whatever the file puts there
    if isinstance(weights, dict) and isinstance(metadata, dict):
        has_names = all(isinstance(key, str) for key in (*weights, *metadata))
        if has_names and all(isinstance(value, Tensor) for value in weights.values()):
            return weights
    return {str(key): _tensor(key, value) for key, value in weights.items() if _is_tensor(value)}


def _tensor(key: object, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key}: {error}") from error


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefixes that all names have, in place."""
    for prefix in PREFIXES:
        others = [key for key in state if not key.startswith(prefix)]
        if len(others) == len(state):
            continue
        if not _COUNTERS.issuperset(others):
            if prefix == PREFIXES[-1]:
                continue  # a network may have a part of this name
            first = next(key for key in state if key.startswith(prefix))
            raise ValueError(f"{first} begins with `{prefix}`, {others[0]} does not")
        for key in others:
            del state[key]
        consume_prefix_in_state_dict_if_present(state, prefix)
        return _without_prefixes(state)
    return state
