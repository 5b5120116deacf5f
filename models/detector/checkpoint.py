"""A detector's folder (config.py, weights.pth, detector.json), and reading of checkpoints."""

import copy
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from yaml import YAMLError

import models.detector.bottom_up_network  # makes its parts known to mmdet  # noqa: F401
from models.detector.config_text import read_config_text
from models.detector.openmmlab import MODELS, Config, mmdet_scope
from models.given_files.described_network import Description, build_with_weights
from models.given_files.impostors import cause_of, impostor_of, one_line
from models.given_files.json_files import read_json_value, write_json
from models.given_files.safe_load import ModelFileError, check_weights, load_weights

CONFIG_FILE, WEIGHTS_FILE, INFO_FILE = "config.py", "weights.pth", "detector.json"
_CONFIG_ERRORS = (  # what a Python file, its base files, and mmdet's parts raise
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    YAMLError,
)
_OF_TRAINING = ("init_cfg", "batch_augments")
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
        values = read_json_value(path)
        if not isinstance(values["classes"], list):
            raise ValueError("classes must be a list")
        values["classes"] = tuple(values["classes"])
        info = DetectorInfo(**{field.name: values[field.name] for field in fields(DetectorInfo)})
        texts = (info.name, info.training_set, info.licence, *info.classes)
        if not all(isinstance(one, str) for one in texts):
            raise ValueError("name, classes, training_set and licence must be texts")
        return info
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = cause_of(path, error)
        raise ModelFileError(f"{path}: does not describe a detector: {cause}") from error


def read_config(name: str | Path) -> Config:
    """Return an mmdet config: a file, or a name below the configs in mmdet's wheel.

    Raises:
        ModelFileError: there is no such file, or it or one of its base files is broken.
    """
    path = Path(name)
    shipped = Path(str(files("mmdet"))) / ".mim" / "configs" / path
    file = next((candidate for candidate in (path, shipped) if candidate.is_file()), None)
    if file is None:
        raise ModelFileError(f"{name}: no such file, and mmdet ships no config of this name")
    what = impostor_of(file)
    if what:
        raise ModelFileError(f"{file}: is no config of mmdet: it is {what}")
    with warnings.catch_warnings(), _config_errors(str(file)):
        warnings.simplefilter("ignore")
        return Config.fromfile(file)


@contextmanager
def _config_errors(name: str) -> Iterator[None]:
    """Raise `ModelFileError` for a config that is broken or that mmdet does not understand."""
    try:
        yield
    except _CONFIG_ERRORS as error:
        kind = type(error).__name__
        raise ModelFileError(
            f"{name}: is no config that mmdet reads: {kind}: {one_line(error)}"
        ) from error


def inference_config(config: Config) -> Config:
    """Return the parts of an mmdet config that prediction needs: `model` and `test_pipeline`.

    The pipeline starts from an array instead of a file; RoIAlign is torchvision's; nothing is
    initialised from a download, nor changes batches in training.

    Raises:
        ModelFileError: it lacks `model`, or a pipeline of tests.
    """
    with _config_errors(_name_of(config)):
        pipeline = config.get("test_pipeline") or config.test_dataloader.dataset.pipeline
        steps = [dict(step) for step in pipeline if "LoadAnnotations" not in step["type"]]
        steps[0] = {"type": "LoadImageFromNDArray"}
        steps[-1] = {"type": "PackDetInputs", "meta_keys": _META_KEYS}
        kept = {"model": _portable(config.model.to_dict()), "test_pipeline": steps}
        return Config(kept, filename=config.filename)


def _name_of(config: Config) -> str:
    """Return the file that a config was read from, for messages."""
    return str(config.filename or "the config")


def _portable(value: Any) -> Any:
    """Return a copy of a config in which RoIAlign is torchvision's, without what training needs."""
    if isinstance(value, dict):
        kept = {key: _portable(item) for key, item in value.items() if key not in _OF_TRAINING}
        return kept | {"use_torchvision": True} if kept.get("type") == "RoIAlign" else kept
    return [_portable(item) for item in value] if isinstance(value, list) else value


def num_classes_of(config: Config) -> int:
    """Return the number of labels of the last head of a config, 0 without one.

    Raises:
        ModelFileError: it lacks `model`, or the number is none.
    """
    with _config_errors(_name_of(config)):
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
    """Return the network of a config, with random weights.

    Raises:
        ModelFileError: mmdet has no model or part of such a type, or it takes other arguments.
    """
    with _config_errors(_name_of(config)), mmdet_scope():
        return MODELS.build(copy.deepcopy(config.model))  # mmdet changes what it builds from


def classes_of(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return the class names in a checkpoint's `meta`, by mmdet's names of today and of 2.x.

    Args:
        content: of the checkpoint.
        path: of the checkpoint, for messages.

    Returns:
        Name of each label; empty if the checkpoint does not name them.

    Raises:
        ModelFileError: `meta` holds something else.
    """
    meta = content.get("meta") or {}
    try:
        named = {key.lower(): value for key, value in (meta.get("dataset_meta") or meta).items()}
        classes = named.get("classes") or ()
        return (classes,) if isinstance(classes, str) else tuple(map(str, classes))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:  # of a tensor there
        raise ModelFileError(f"{path}: `meta` does not name classes: {error}") from error


@dataclass(frozen=True)
class StoredDetector:
    """What a detector's folder holds.

    Attributes:
        config: as `inference_config` returns it.
        info: what the weights are.
        model: the network with its weights.
    """

    config: Config
    info: DetectorInfo
    model: nn.Module


def read_detector(folder: Path) -> StoredDetector:
    """Return the detector of a folder: config.py, weights.pth and detector.json.

    Raises:
        ModelFileError: a file is missing or broken, or one does not fit another.
    """
    info, config = read_info(folder), read_config_text(folder / CONFIG_FILE)
    num_classes = num_classes_of(config)
    if num_classes != len(info.classes):
        raise ModelFileError(
            f"{folder / INFO_FILE}: names {len(info.classes)} classes, {CONFIG_FILE} has "
            f"num_classes {num_classes}"
        )
    path = folder / WEIGHTS_FILE
    description = Description(
        folder / CONFIG_FILE,
        f"its config {CONFIG_FILE}",
        config.to_dict(),
        lambda: build_model(config),
    )
    model = build_with_weights(description, load_weights(path), path)
    return StoredDetector(config, info, model)
