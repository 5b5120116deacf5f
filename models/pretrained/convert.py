"""Conversion of published weight files to this project's folders."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.classifier.classifier import (
    Classifier,
    ClassifierInfo,
    build_network,
    imagenet_classes,
    save_classifier,
)
from models.detector.bottom_up_checkpoint import read_bottom_up
from models.detector.checkpoint import (
    DetectorInfo,
    build_model,
    inference_config,
    load_state,
    num_classes_of,
    read_checkpoint,
    read_config,
    save_detector,
)
from models.given_files.text_files import given_files, read_lines
from models.safe_load import ModelFileError, load_arrays, load_weights

_WEIGHT_SUFFIXES = (".pt", ".bin", ".safetensors")


def convert_detector(source: Path, config: str, info: DetectorInfo, folder: Path) -> None:
    """Write the detector folder of an mmdet checkpoint, which must name its classes.

    Args:
        source: the checkpoint.
        config: its mmdet config: a file, or a name below the configs in mmdet's wheel.
        info: name, training set and licence; its classes are replaced by the checkpoint's.
        folder: to write.

    Raises:
        ModelFileError: there is no such config, weights or classes do not fit it, or the checkpoint
            is no whole weight file.
    """
    prediction = inference_config(read_config(config))
    checkpoint = read_checkpoint(source)
    expected = num_classes_of(prediction)
    if len(checkpoint.classes) != expected:
        raise ModelFileError(
            f"{source}: names {len(checkpoint.classes)} classes (meta.dataset_meta.classes), "
            f"{config} has {expected}"
        )
    model = build_model(prediction)
    load_state(model, checkpoint.state, source)
    save_detector(folder, prediction, model.state_dict(), replace(info, classes=checkpoint.classes))


def convert_bottom_up(source: Path, vocabulary: Path, info: DetectorInfo, folder: Path) -> None:
    """Write the detector folder of a bottom-up-attention checkpoint.

    Args:
        source: the checkpoint: a PyTorch file, or a pickle of numpy arrays that ends in `.pkl`.
        vocabulary: a text file with one class per line; of several names with commas between them
            the first counts.
        info: name, training set and licence; its classes are replaced by the vocabulary's.
        folder: to write.

    Raises:
        ModelFileError: the checkpoint is no whole weight file, of another network, or has another
            number of classes.
    """
    content = load_arrays(source) if source.suffix == ".pkl" else load_weights(source)
    try:
        detector = read_bottom_up(_tensors(content))
    except ModelFileError as error:
        raise ModelFileError(f"{source}: is no bottom-up-attention detector: {error}") from error
    classes = read_vocabulary(vocabulary)
    if len(classes) != detector.num_classes:
        raise ModelFileError(
            f"{vocabulary}: names {len(classes)} classes, {source} has {detector.num_classes}"
        )
    model = build_model(detector.config)
    load_state(model, detector.state, source)
    save_detector(folder, detector.config, model.state_dict(), replace(info, classes=classes))


def copy_folder(source: Path, folder: Path, patterns: Iterable[str]) -> None:
    """Copy the files of a stanza or transformers folder after a check of its weight files.

    Args:
        source: the folder.
        folder: to write.
        patterns: globs of the files to copy, relative to `source`.

    Raises:
        ModelFileError: a weight file is cut off, or holds more than tensors and plain values.
    """
    copied = sorted({file for pattern in patterns for file in given_files(source, pattern)})
    for file in copied:
        if file.suffix in _WEIGHT_SUFFIXES:
            _check_weights(file)
    for file in copied:
        to = folder / file.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)


def _check_weights(path: Path) -> None:
    if path.suffix != ".safetensors":
        load_weights(path)
        return
    try:
        with safe_open(path, "pt") as stream:
            stream.keys()
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path}: is no whole weight file: {error}") from error


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Return the class names in a text file such as `objects_vocab.txt`, one a line, lower case.

    Raises:
        ModelFileError: the file cannot be read as text.
    """
    try:
        lines = read_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path}: cannot be read: {error}") from error
    return tuple(line.split(",")[0].strip().lower() for line in lines if line.strip())


def _tensors(content: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Return the tensors of a checkpoint, also where they lie below the key `model`."""
    state = content.get("model", content)
    if not isinstance(state, dict):
        raise ModelFileError("`model` is not a mapping of tensors")
    try:
        return {str(key): torch.as_tensor(value) for key, value in state.items()}
    except (TypeError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"holds more than tensors: {error}") from error


def convert_classifier(source: Path, info: ClassifierInfo, folder: Path) -> None:
    """Write the classifier folder of a torchvision state dict with ImageNet's 1,000 outputs.

    Args:
        source: the weight file.
        info: architecture, normalisation and origin; its classes are replaced by ImageNet's.
        folder: to write.

    Raises:
        ModelFileError: the architecture is not supported, or the file is no whole weight file or
            does not fit the architecture.
    """
    named = replace(info, classes=imagenet_classes())
    network = build_network(info.arch, info.width, len(named.classes))
    try:
        network.load_state_dict(load_weights(source))
    except RuntimeError as error:
        raise ModelFileError(f"{source}: does not fit {info.arch}: {error}") from error
    save_classifier(folder, Classifier(network, named))
