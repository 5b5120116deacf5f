"""What the `train` section of params.yaml holds."""

from dataclasses import dataclass
from typing import Annotated, Literal

from models.grounder.config import GrounderConfig, LanguageConfig
from models.ranges import (
    Length,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PositiveShare,
    Range,
    Seed,
    Share,
    ShareBelowOne,
)
from models.training.config import LossWeights

LONGEST_TOKENS = 512  # BERT's positions
Window = Annotated[tuple[Share, ...], Length(4, 4)]


@dataclass(frozen=True)
class AugmentParams:
    """Probabilities and strengths of the augmentations; how many lengths an image may be given."""

    flip: Share
    jitter: Share
    crop: Share
    scales: PositiveInt
    translate: bool

    @property
    def changes_pictures(self) -> bool:
        """Whether a picture is drawn anew each time; mirrored or not, it comes again."""
        return bool(self.jitter or self.crop or self.scales > 1 or self.translate)


@dataclass(frozen=True)
class WordNetLabels:
    """Which labels Lin's similarity of senses makes near, and what they count."""

    senses: PositiveInt
    floor: Share
    weight: Share


@dataclass(frozen=True)
class TextLabels:
    """Which labels the cosine of a text encoder makes near, and what they count."""

    floor: Share
    weight: Share


@dataclass(frozen=True)
class LabelParams:
    """How nouns of phrases are compared with the labels of a detector."""

    similarity: Literal["exact", "wordnet", "text"]
    synonym: PositiveShare
    wordnet: WordNetLabels
    text: TextLabels

    @property
    def weights_part(self) -> str | None:
        """Name of the part of a dataset's weights that the comparison needs, if it needs one."""
        return {"exact": None, "wordnet": "wordnet", "text": "language"}[self.similarity]


@dataclass(frozen=True)
class TrainParams:
    """Stage `train`."""

    seed: Seed
    image_px: Annotated[int, Range(32, 8192, step=32)]
    epochs: NonNegativeInt
    batch_images: PositiveInt
    accumulate_batches: PositiveInt
    phrases_per_image: PositiveInt
    max_tokens: Annotated[int, Range(3, LONGEST_TOKENS)]
    max_words: PositiveInt
    min_word_count: PositiveInt
    max_nouns: PositiveInt
    subject_words: bool
    windows: tuple[Window, ...]
    merge_floors: tuple[Share, ...]
    labels: LabelParams
    learning_rate: PositiveFloat
    learning_rate_pretrained: NonNegativeFloat
    weight_decay: NonNegativeFloat
    warmup_fraction: ShareBelowOne
    grad_clip_norm: PositiveFloat
    precision: Literal["fp32", "bf16", "fp16"]
    channels_last: bool
    fold_batch_norms: bool
    compile: bool
    remember: bool
    remember_mb: PositiveInt
    augment: AugmentParams
    language: LanguageConfig
    model: GrounderConfig
    loss: LossWeights
