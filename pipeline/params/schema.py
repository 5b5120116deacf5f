"""What each section of params.yaml holds."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.params.datasets import DatasetSection
from pipeline.params.train import TrainParams
from pipeline.params.weights import EmbeddedWeights, WeightFiles


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
