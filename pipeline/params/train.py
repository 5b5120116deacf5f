"""What the `train` section of params.yaml holds."""

from dataclasses import dataclass
from typing import Literal

from models.grounder.config import GrounderConfig, LanguageConfig
from models.training.config import LossWeights


@dataclass(frozen=True)
class AugmentParams:
    """Probabilities and strengths of the augmentations; how many lengths an image may be given."""

    flip: float
    jitter: float
    crop: float
    scales: int
    translate: bool


@dataclass(frozen=True)
class TrainParams:
    """Stage `train`."""

    seed: int
    image_px: int
    epochs: int
    batch_images: int
    accumulate_batches: int
    phrases_per_image: int
    max_tokens: int
    max_words: int
    min_word_count: int
    max_nouns: int
    windows: tuple[tuple[float, ...], ...]
    merge_floors: tuple[float, ...]
    learning_rate: float
    learning_rate_pretrained: float
    weight_decay: float
    warmup_fraction: float
    grad_clip_norm: float
    precision: Literal["fp32", "bf16", "fp16"]
    augment: AugmentParams
    language: LanguageConfig
    model: GrounderConfig
    loss: LossWeights
