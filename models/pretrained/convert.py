"""Conversion of published weight files to this project's folders."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import CLIPModel

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
    classes_of,
    inference_config,
    num_classes_of,
    read_config,
    save_detector,
)
from models.given_files.impostors import cause_of, impostor_of, one_line
from models.given_files.safe_load import (
    ModelFileError,
    is_position_index,
    load_into,
    load_transformers,
    load_weights,
    read_content,
    weights_of,
)
from models.given_files.text_files import given_files, read_lines
from models.given_files.transformers_folder import FolderError, ModelType, check_folder
from models.grounder.encoders.language_encoder import load_language, read_bert_config

_WEIGHT_SUFFIXES = (".pt", ".bin", ".safetensors")


def convert_detector(source: Path, config: str, info: DetectorInfo, folder: Path) -> None:
    """Write the detector folder of an mmdet checkpoint, which must name its classes.

    Args:
        source: the checkpoint.
        config: its mmdet config: a file, or a name below the configs in mmdet's wheel.
        info: name, training set and licence; its classes are replaced by the checkpoint's.
        folder: to write.

    Raises:
        ModelFileError: there is no such config or it is broken, weights or classes do not fit it,
            or the checkpoint is no whole weight file.
    """
    prediction = inference_config(read_config(config))
    content = read_content(source)
    classes = classes_of(content, source)
    expected = num_classes_of(prediction)
    if len(classes) != expected:
        raise ModelFileError(
            f"{source}: names {len(classes)} classes (meta.dataset_meta.classes), "
            f"{config} has {expected} (num_classes)"
        )
    model = build_model(prediction)
    load_into(model, weights_of(content, source), source, f"its config {config}")
    save_detector(folder, prediction, model.state_dict(), replace(info, classes=classes))


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
    state = weights_of(read_content(source), source)
    try:
        detector = read_bottom_up(state)
    except ModelFileError as error:
        raise ModelFileError(f"{source}: is no bottom-up-attention detector: {error}") from error
    classes = read_vocabulary(vocabulary)
    if len(classes) != detector.num_classes:
        raise ModelFileError(
            f"{vocabulary}: names {len(classes)} classes, {source} has {detector.num_classes}"
        )
    model = build_model(detector.config)
    load_into(model, detector.state, source, "its config, that of bottom-up attention")
    save_detector(folder, detector.config, model.state_dict(), replace(info, classes=classes))


def copy_folder(source: Path, folder: Path, patterns: Iterable[str]) -> None:
    """Copy the files of a stanza or transformers folder after a check of its weight files.

    Args:
        source: the folder.
        folder: to write.
        patterns: globs of the files to copy, relative to `source`.

    Raises:
        ModelFileError: a weight file is cut off, or holds more than tensors and plain values, or a
            file cannot be copied.
    """
    copied = sorted({file for pattern in patterns for file in given_files(source, pattern)})
    for file in copied:
        if file.suffix in _WEIGHT_SUFFIXES:
            _check_weights(file)
    for file in copied:
        to = folder / file.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(file, to)
        except OSError as error:
            raise ModelFileError(f"{file}: cannot be copied: {one_line(error)}") from error


def _check_weights(path: Path) -> None:
    if path.suffix != ".safetensors":
        load_weights(path)
        return
    try:
        with safe_open(path, "pt") as stream:
            stream.keys()
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path}: is no whole weight file: {cause_of(path, error)}") from error


def copy_transformers(source: Path, folder: Path, patterns: Iterable[str], kind: ModelType) -> None:
    """Copy the files of a transformers folder whose model loads with every weight.

    Args:
        source: the folder.
        folder: to write.
        patterns: as of `copy_folder`.
        kind: of the model.

    Raises:
        ModelFileError: as `copy_folder`; a file is missing, the vocabulary has another size than
            the model, or the weights are not those that config.json names.
    """
    try:
        check_folder(source, kind)
    except FolderError as error:
        raise ModelFileError(str(error)) from error
    copy_folder(source, folder, patterns)
    if kind == "bert":
        load_language(source, read_bert_config(source).num_hidden_layers)
    else:
        load_transformers(CLIPModel, source, is_position_index)


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Return the class names in a text file such as `objects_vocab.txt`, one a line, lower case.

    Raises:
        ModelFileError: the file cannot be read as text, or is none.
    """
    try:
        what = impostor_of(path)
        lines = read_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path}: cannot be read: {error}") from error
    if what:
        raise ModelFileError(f"{path}: is no list of classes: it is {what}")
    return tuple(line.split(",")[0].strip().lower() for line in lines if line.strip())


def convert_classifier(source: Path, info: ClassifierInfo, folder: Path) -> None:
    """Write the classifier folder of a state dict of torchvision or timm with ImageNet's outputs.

    Args:
        source: the weight file.
        info: architecture, normalisation and origin; its classes are replaced by ImageNet's 1,000.
        folder: to write.

    Raises:
        ModelFileError: the architecture is not supported, or the file is no whole weight file or
            does not fit the architecture.
    """
    named = replace(info, classes=imagenet_classes())
    network = build_network(info.arch, info.width, len(named.classes))
    load_into(
        network, weights_of(read_content(source), source), source, f"{info.arch}, the key `arch`"
    )
    save_classifier(folder, Classifier(network, named))
