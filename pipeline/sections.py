"""What each section of params.yaml holds, and the functions that read it."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.dataset_sections import DatasetSection
from pipeline.params import ParamsError, build, read_yaml
from pipeline.train_sections import TrainParams
from pipeline.weight_sections import EmbeddedWeights, WeightFiles

PARAMS_FILE = Path("params.yaml")


@dataclass(frozen=True)
class RunParams:
    """What `dvc repro` rebuilds."""

    datasets: tuple[str, ...]
    variants: tuple[str, ...]


@dataclass(frozen=True)
class AnnotationsParams:
    """Stage `annotations`."""

    max_bad_fraction: float


@dataclass(frozen=True)
class NounsParams:
    """Stage `nouns`."""

    phrases_per_shard: int
    context_nouns: int


@dataclass(frozen=True)
class GivenProposals:
    """Boxes that others computed."""

    path: str
    detector: str
    training_set: str
    vocabulary: str
    first_label: int
    max_missing_fraction: float


@dataclass(frozen=True)
class ProposalsParams:
    """Stage `proposals`."""

    source: Literal["detector", "given"]
    given: GivenProposals
    max_boxes: int
    score_floor: float
    nms_iou: float
    nms: Literal["class_agnostic", "per_class"]
    batch_images: int
    images_per_shard: int


@dataclass(frozen=True)
class NounHeadParams:
    """Stage `noun_head`."""

    min_count: int
    max_nouns: int
    image_px: int
    batch_images: int
    images_per_shard: int
    epochs: int
    learning_rate: float
    weight_decay: float
    negative_weight: float
    fit_batch_images: int
    seed: int


@dataclass(frozen=True)
class ClipParams:
    """What the scorer `clip` asks."""

    prompt: str
    backgrounds: tuple[str, ...]


@dataclass(frozen=True)
class CamsParams:
    """Stage `cams`."""

    scorer: Literal["nounhead", "imagenet", "detector", "clip"]
    layer: str
    backend: Literal["auto", "autograd", "library"]
    clip: ClipParams
    image_px: int
    batch_images: int
    images_per_shard: int


@dataclass(frozen=True)
class EvaluateParams:
    """Stage `evaluate`."""

    batch_images: int
    phrases_per_image: int
    iou: float
    cam_threshold: float
    resamples: int
    attention_phrases: int
    seed: int


@dataclass(frozen=True)
class ReportParams:
    """Stage `report`."""

    pictures: int
    seed: int


@dataclass(frozen=True)
class RuntimeParams:
    """How a stage runs on this machine; it changes no result."""

    device: Literal["auto", "cpu", "cuda"]
    workers: int
    port: int


@dataclass(frozen=True)
class Params:
    """All of params.yaml."""

    run: RunParams
    datasets: dict[str, DatasetSection]
    annotations: AnnotationsParams
    weights: dict[str, EmbeddedWeights | WeightFiles]
    nouns: NounsParams
    proposals: ProposalsParams
    noun_head: NounHeadParams
    cams: CamsParams
    train: TrainParams
    variants: dict[str, dict[str, Any]]
    evaluate: EvaluateParams
    report: ReportParams
    runtime: RuntimeParams


def read_params(path: Path = PARAMS_FILE) -> Params:
    """Return all of params.yaml.

    Raises:
        ParamsError: a section or key is unknown, missing or ill-typed, or `run` names something
            that is not there.
    """
    params = build(Params, read_yaml(path), path.name)
    for name in params.run.datasets:
        _known("run.datasets", name, params.datasets)
        _known("weights", name, params.weights)
    for name in params.variants:
        train_params(params, name)
    for name in params.run.variants:
        _known("run.variants", name, params.variants)
    return params


def train_params(params: Params, variant: str) -> TrainParams:
    """Return the `train` section with what the variant changes.

    Raises:
        ParamsError: the variant is unknown, or changes a key that `train` does not have.
    """
    _known("variants", variant, params.variants)
    section = _plain(asdict(params.train))
    for dotted, value in params.variants[variant].items():
        _replace(section, dotted, value, f"variants.{variant}.{dotted}")
    return build(TrainParams, section, f"train, as changed by variants.{variant}")


def weights_key(params: Params, dataset: str) -> str:
    """Return the dotted name of a dataset's weights: of datasets that share them, the entry's own.

    That is the first entry that holds the same, since an alias comes after what it stands for.
    """
    section = params.weights[dataset]
    return f"weights.{next(name for name, known in params.weights.items() if known == section)}"


def _known(where: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise ParamsError(f"{where}: {name!r} is not known; known: {', '.join(sorted(known))}")


def _replace(section: dict[str, Any], dotted: str, value: object, where: str) -> None:
    """Set one dotted key that must exist."""
    *parents, leaf = dotted.split(".")
    target: Any = section
    for key in parents:
        target = target.get(key) if isinstance(target, dict) else None
    if not isinstance(target, dict) or leaf not in target:
        raise ParamsError(f"{where}: `train` has no such key")
    target[leaf] = deepcopy(value)


def _plain(value: Any) -> Any:
    """Turn the tuples of dataclasses back into YAML's lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
