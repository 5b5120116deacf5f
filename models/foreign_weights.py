"""Turn weight files as others publish them into this project's folders."""

from dataclasses import replace
from pathlib import Path

from models.classifier import (
    Classifier,
    ClassifierInfo,
    build_network,
    imagenet_classes,
    save_classifier,
)
from models.detector_folder import (
    DetectorError,
    DetectorInfo,
    build_model,
    inference_config,
    load_state,
    num_classes_of,
    read_checkpoint,
    read_config,
    save_detector,
)
from models.weight_files import WeightFileError, load_weights


def convert_detector(source: Path, config: str, info: DetectorInfo, folder: Path) -> None:
    """Write the folder of an mmdet checkpoint, which must name its classes.

    Args:
        source: the checkpoint.
        config: its mmdet config: a file, or a name below the configs in mmdet's wheel.
        info: what the weights are; its classes are those of the checkpoint, whatever it says.
        folder: where to.

    Raises:
        DetectorError: there is no such config, or weights or classes do not fit it.
        WeightFileError: the checkpoint is no whole weight file.
    """
    prediction = inference_config(read_config(config))
    checkpoint = read_checkpoint(source)
    expected = num_classes_of(prediction)
    if len(checkpoint.classes) != expected:
        raise DetectorError(
            f"{source}: names {len(checkpoint.classes)} classes (meta.dataset_meta.classes), "
            f"{config} has {expected}"
        )
    model = build_model(prediction)
    load_state(model, checkpoint.state, source)
    save_detector(folder, prediction, model.state_dict(), replace(info, classes=checkpoint.classes))


def convert_classifier(source: Path, info: ClassifierInfo, folder: Path) -> None:
    """Write the folder of a torchvision state dict with ImageNet's 1,000 outputs.

    Args:
        source: the weight file.
        info: what the weights are; its classes are ImageNet's, whatever it says.
        folder: where to.

    Raises:
        ClassifierError: the architecture is not one of ours.
        WeightFileError: the file is no whole weight file, or does not fit the architecture.
    """
    named = replace(info, classes=imagenet_classes())
    network = build_network(info.arch, info.width, len(named.classes))
    try:
        network.load_state_dict(load_weights(source))
    except RuntimeError as error:
        raise WeightFileError(f"{source}: does not fit {info.arch}: {error}") from error
    save_classifier(folder, Classifier(network, named))
