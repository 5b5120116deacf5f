"""What the `weights` section of params.yaml holds: where pre-trained parts come from."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from models.ranges import (
    FiniteFloat,
    Length,
    NonNegativeFloat,
    Pattern,
    Pixels,
    PositiveFloat,
    PositiveInt,
    Range,
    Seed,
)

Architecture = Literal[
    "mobilenet_v2", "resnet10", "resnet18", "resnet34", "resnet50", "squeezenet1_1"
]
TIMM_PREFIX = "timm/"
KnownArchitecture = Annotated[
    str,
    Pattern(
        "|".join([*get_args(Architecture), re.escape(TIMM_PREFIX) + r"[\w.]+"]),
        f"one of {', '.join(get_args(Architecture))} or {TIMM_PREFIX}NAME",
    ),
]
Sha256 = Annotated[str, Pattern("[0-9a-fA-F]{0,64}", "the beginning of a SHA-256, in hexadecimal")]
AtLeastTwo = Annotated[int, Range(2, 2**31 - 1)]  # batch norm wants them


@dataclass(frozen=True)
class ClassifierTraining:
    """How the embedded classifier is trained."""

    arch: Architecture
    width: Annotated[float, Range(0, 8, above_low=True)]
    pictures: AtLeastTwo
    image_px: Pixels
    epochs: PositiveInt
    batch_images: AtLeastTwo
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat


@dataclass(frozen=True)
class DetectorTraining:
    """How the embedded detector is trained."""

    scenes: PositiveInt
    long_side_px: Pixels
    epochs: PositiveInt
    batch_images: PositiveInt
    learning_rate: PositiveFloat
    base_channels: PositiveInt


@dataclass(frozen=True)
class TaggerTraining:
    """How the embedded tagger is trained."""

    phrases: PositiveInt
    steps: PositiveInt


@dataclass(frozen=True)
class EmbeddedWeights:
    """Weights that the weights stage trains itself."""

    source: Literal["embedded"]
    pretrain_seed: Seed
    classifier: ClassifierTraining
    detector: DetectorTraining
    tagger: TaggerTraining


@dataclass(frozen=True)
class DetectorFile:
    """A detector's checkpoint; an empty path means: what mmdet publishes for `config`."""

    format: Literal["mmdet", "bottom_up_attention"]
    path: str
    sha256: Sha256
    config: str
    vocabulary: str
    training_set: str
    licence: str


@dataclass(frozen=True)
class ClassifierFile:
    """A state dict of a classifier of torchvision or timm, and its input normalisation."""

    path: str
    hub: str
    sha256: Sha256
    arch: KnownArchitecture
    mean: Annotated[tuple[FiniteFloat, ...], Length(3, 3)]
    std: Annotated[tuple[PositiveFloat, ...], Length(3, 3)]
    bgr: bool
    training_set: str
    licence: str


@dataclass(frozen=True)
class TaggerFolder:
    """A stanza model folder; an empty path means: what stanza publishes as `package`."""

    path: str
    sha256: Sha256
    package: str
    training_set: str
    licence: str


@dataclass(frozen=True)
class TransformersFolder:
    """A transformers model folder; an empty path means: `hub`; both empty: none."""

    path: str
    hub: str
    sha256: Sha256
    training_set: str
    licence: str


@dataclass(frozen=True)
class WordNetFolder:
    """A folder with the nouns of WordNet's database; an empty path means: none."""

    path: str
    sha256: Sha256
    training_set: str
    licence: str


@dataclass(frozen=True)
class WeightFiles:
    """Weights that others trained: each lies at a path, or comes from its hub."""

    source: Literal["files"]
    detector: DetectorFile
    classifier: ClassifierFile
    tagger: TaggerFolder
    language: TransformersFolder
    wordnet: WordNetFolder
    clip: TransformersFolder


WeightPart = DetectorFile | ClassifierFile | TaggerFolder | TransformersFolder | WordNetFolder
