"""What the `weights` section of params.yaml holds: where pre-trained parts come from."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClassifierTraining:
    """How the embedded classifier is trained."""

    arch: str
    width: float
    pictures: int
    image_px: int
    epochs: int
    batch_images: int
    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class DetectorTraining:
    """How the embedded detector is trained."""

    scenes: int
    long_side_px: int
    epochs: int
    batch_images: int
    learning_rate: float
    base_channels: int


@dataclass(frozen=True)
class TaggerTraining:
    """How the embedded tagger is trained."""

    phrases: int
    steps: int


@dataclass(frozen=True)
class EmbeddedWeights:
    """Weights that the weights stage trains itself."""

    source: Literal["embedded"]
    pretrain_seed: int
    classifier: ClassifierTraining
    detector: DetectorTraining
    tagger: TaggerTraining


@dataclass(frozen=True)
class DetectorFile:
    """A detector's checkpoint; an empty path means: what mmdet publishes for `config`."""

    format: Literal["mmdet", "bottom_up_attention"]
    path: str
    sha256: str
    config: str
    vocabulary: str
    training_set: str
    licence: str


@dataclass(frozen=True)
class ClassifierFile:
    """A torchvision classifier's state dict and its input normalisation."""

    path: str
    hub: str
    sha256: str
    arch: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool
    training_set: str
    licence: str


@dataclass(frozen=True)
class TaggerFolder:
    """A stanza model folder; an empty path means: what stanza publishes as `package`."""

    path: str
    sha256: str
    package: str
    training_set: str
    licence: str


@dataclass(frozen=True)
class TransformersFolder:
    """A transformers model folder; an empty path means: `hub`; both empty: none."""

    path: str
    hub: str
    sha256: str
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
    clip: TransformersFolder


WeightPart = DetectorFile | ClassifierFile | TaggerFolder | TransformersFolder
