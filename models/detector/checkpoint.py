"""A detector's folder (config.py, weights.pth, detector.json), and reading of checkpoints."""

import io
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import models.detector.bottom_up_network  # makes its parts known to mmdet  # noqa: F401
from models.detector.openmmlab import MODELS, Config, ConfigDict, mmdet_scope
from models.finite import check_weights
from models.safe_load import ModelFileError, load_weights, write_json

CONFIG_FILE, WEIGHTS_FILE, INFO_FILE = "config.py", "weights.pth", "detector.json"
_META_KEYS = ("ori_shape", "img_shape", "scale_factor")


@dataclass(frozen=True)
class DetectorInfo:
    """Content of `detector.json`.

    Attributes:
        name: of the detector.
        classes: name of each label, in order.
        training_set: what the weights were trained on.
        licence: of the weights.
    """

    name: str
    classes: tuple[str, ...]
    training_set: str
    licence: str


@dataclass(frozen=True)
class Checkpoint:
    """Content of an mmdet weight file.

    Attributes:
        state: the network's tensors by name.
        classes: name of each label; empty if the file does not name them.
    """

    state: Mapping[str, Tensor]
    classes: tuple[str, ...]


def save_detector(
    folder: Path, config: Config, state: Mapping[str, Tensor], info: DetectorInfo
) -> None:
    """Write a detector's folder; equal contents give equal bytes.

    Args:
        folder: made if it is not there.
        config: holds `model` and `test_pipeline`, as `inference_config` returns.
        state: the model's state dict.
        info: what the weights are.

    Raises:
        NonFiniteError: a weight is not finite; nothing is written.
    """
    check_weights(state, folder / WEIGHTS_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(config.pretty_text, encoding="utf-8")
    stream = io.BytesIO()
    torch.save({key: value.detach().cpu().contiguous() for key, value in state.items()}, stream)
    (folder / WEIGHTS_FILE).write_bytes(stream.getvalue())
    write_json(folder / INFO_FILE, asdict(info), indent=1)


def read_info(folder: Path) -> DetectorInfo:
    """Return the content of `detector.json`.

    Raises:
        ModelFileError: it is missing or malformed.
    """
    path = folder / INFO_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["classes"] = tuple(values["classes"])
        return DetectorInfo(**{field.name: values[field.name] for field in fields(DetectorInfo)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: does not describe a detector: {error}") from error


def read_config(name: str | Path) -> Config:
    """Return an mmdet config: a file, or a name below the configs in mmdet's wheel.

    Raises:
        ModelFileError: there is no such file.
    """
    path = Path(name)
    shipped = Path(str(files("mmdet"))) / ".mim" / "configs" / path
    file = next((candidate for candidate in (path, shipped) if candidate.is_file()), None)
    if file is None:
        raise ModelFileError(f"{name}: no such file, and mmdet ships no config of this name")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Config.fromfile(file)


def inference_config(config: Config) -> Config:
    """Return the parts of an mmdet config that prediction needs: `model` and `test_pipeline`.

    The pipeline starts from an array instead of a file; RoIAlign is torchvision's; nothing is
    initialised from a download.
    """
    pipeline = config.get("test_pipeline") or config.test_dataloader.dataset.pipeline
    steps = [dict(step) for step in pipeline if "LoadAnnotations" not in step["type"]]
    steps[0] = {"type": "LoadImageFromNDArray"}
    steps[-1] = {"type": "PackDetInputs", "meta_keys": _META_KEYS}
    return Config({"model": _portable(config.model.to_dict()), "test_pipeline": steps})


def _portable(value: Any) -> Any:
    """Return a copy of a config in which RoIAlign is torchvision's and no `init_cfg` is left."""
    if isinstance(value, dict):
        copy = {key: _portable(item) for key, item in value.items() if key != "init_cfg"}
        return copy | {"use_torchvision": True} if copy.get("type") == "RoIAlign" else copy
    return [_portable(item) for item in value] if isinstance(value, list) else value


def num_classes_of(config: Config) -> int:
    """Return the number of labels of the last head of a config, 0 without one."""
    counts = list(_values_of(config.model.to_dict(), "num_classes"))
    return int(counts[-1]) if counts else 0


def _values_of(value: Any, key: str) -> Iterator[Any]:
    """Yield the value of every `key` in a config, at any depth."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        for item in value.values():
            yield from _values_of(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _values_of(item, key)


def build_model(config: Config) -> nn.Module:
    """Return the network of a config, with random weights."""
    model: ConfigDict = config.model.copy()
    model.get("data_preprocessor", {}).pop("batch_augments", None)
    with mmdet_scope():
        return MODELS.build(model)


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the tensors and class names of an mmdet checkpoint.

    Raises:
        ModelFileError: the file is no whole weight file.
    """
    content = load_weights(path)
    meta = content.get("meta") or {}
    named = {key.lower(): value for key, value in (meta.get("dataset_meta") or meta).items()}
    return Checkpoint(content.get("state_dict", content), tuple(named.get("classes") or ()))


def load_state(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load the weights into the model, in place; the keys must be the same.

    Raises:
        ModelFileError: a key is missing, left over, of another shape, or not finite.
    """
    try:
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ModelFileError(f"{path}: does not fit its config: {_short(error)}") from error
    check_weights(state, path)


def _short(error: Exception, most: int = 300) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= most else text[:most] + " ..."
