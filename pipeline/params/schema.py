"""What each section of params.yaml holds."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from models.ranges import (
    Length,
    NonNegativeFloat,
    NonNegativeInt,
    Pattern,
    Pixels,
    PositiveFloat,
    PositiveInt,
    PositiveShare,
    Range,
    Seed,
    Share,
    Text,
)
from pipeline.params.datasets import DatasetSection
from pipeline.params.train import TrainParams
from pipeline.params.weights import EmbeddedWeights, WeightFiles

# of a dataset or variant: DVC joins them with `-`, finds keys by `.`, and names folders by them
NAME = Pattern("[A-Za-z][A-Za-z0-9_]{0,63}", "a letter, then letters, digits and _, 64 at most")
Name = Annotated[str, NAME]
Device = Literal["auto", "cpu", "cuda"]  # auto: a GPU if there is one


@dataclass(frozen=True)
class RunParams:
    """What `dvc repro` rebuilds.

    Attributes:
        datasets: on which models are trained and evaluated.
        variants: of each model.
        targets: other datasets, on which every one of these models is evaluated, too.
    """

    datasets: Annotated[tuple[Name, ...], Length(1)]
    variants: Annotated[tuple[Name, ...], Length(1)]
    targets: tuple[Name, ...]


@dataclass(frozen=True)
class AnnotationsParams:
    """Stage `annotations`."""

    max_bad_fraction: Share


@dataclass(frozen=True)
class NounsParams:
    """Stage `nouns`."""

    phrases_per_shard: PositiveInt
    context_nouns: NonNegativeInt


@dataclass(frozen=True)
class GivenProposals:
    """Boxes that others computed."""

    path: Text
    detector: str
    training_set: str
    vocabulary: str
    first_label: NonNegativeInt
    max_missing_fraction: Share


@dataclass(frozen=True)
class ProposalsParams:
    """Stage `proposals`."""

    source: Literal["detector", "given"]
    given: GivenProposals
    max_boxes: PositiveInt
    score_floor: Share
    nms_iou: Share
    nms: Literal["class_agnostic", "per_class"]
    batch_images: PositiveInt
    images_per_shard: PositiveInt


@dataclass(frozen=True)
class NounHeadParams:
    """Stage `noun_head`."""

    min_count: PositiveInt
    max_nouns: PositiveInt
    image_px: Pixels
    batch_images: PositiveInt
    images_per_shard: PositiveInt
    epochs: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    negative_weight: PositiveShare
    fit_batch_images: PositiveInt
    seed: Seed


@dataclass(frozen=True)
class ClipParams:
    """What the scorer `clip` asks."""

    prompt: str
    backgrounds: Annotated[tuple[Text, ...], Length(2)]


@dataclass(frozen=True)
class CamsParams:
    """Stage `cams`."""

    scorer: Literal["nounhead", "imagenet", "detector", "clip"]
    layer: str
    backend: Literal["auto", "autograd", "library"]
    clip: ClipParams
    image_px: Pixels
    batch_images: PositiveInt
    images_per_shard: PositiveInt


@dataclass(frozen=True)
class EvaluateParams:
    """Stage `evaluate`."""

    batch_images: PositiveInt
    phrases_per_image: PositiveInt
    iou: PositiveShare
    cam_threshold: Share
    resamples: PositiveInt
    attention_phrases: NonNegativeInt
    calibration_bins: PositiveInt
    calibration_l2: NonNegativeFloat
    seed: Seed


@dataclass(frozen=True)
class ReportParams:
    """Stage `report`."""

    pictures: NonNegativeInt
    seed: Seed


@dataclass(frozen=True)
class RuntimeParams:
    """How a stage runs on this machine; it changes no result."""

    device: Device
    workers: Annotated[int, Range(0, 1024)]
    port: Annotated[int, Range(1, 65535)]


@dataclass(frozen=True)
class Params:
    """All of params.yaml."""

    run: RunParams
    datasets: dict[Name, DatasetSection]
    annotations: AnnotationsParams
    weights: dict[Name, EmbeddedWeights | WeightFiles]
    nouns: NounsParams
    proposals: ProposalsParams
    noun_head: NounHeadParams
    cams: CamsParams
    train: TrainParams
    variants: dict[Name, dict[str, Any]]
    evaluate: EvaluateParams
    report: ReportParams
    runtime: RuntimeParams
