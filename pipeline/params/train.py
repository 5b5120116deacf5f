"""What the `train` section of params.yaml holds."""

from dataclasses import dataclass, fields
from typing import Literal, TypeVar

Values = TypeVar("Values")


@dataclass(frozen=True)
class AugmentParams:
    """Probabilities and strengths of the augmentations; how many lengths an image may be given."""

    flip: float
    jitter: float
    crop: float
    scales: int
    translate: bool


@dataclass(frozen=True)
class LanguageParams:
    """A text encoder from scratch; `model.depth` says how many layers it has."""

    hidden: int
    heads: int
    vocabulary: int


@dataclass(frozen=True)
class ModelParams:
    """The grounder's architecture."""

    backbone: str
    embed_dim: int
    levels: str
    depth: str
    visual_window: int
    heads: int
    ffn_dim: int
    dropout: float
    cam: Literal["off", "encode", "mine"]
    cam_input: Literal["map", "feature", "both"]
    cam_blocks: int
    cam_nouns: Literal["head", "all"]
    cam_weight: float
    fusion: Literal["single", "conv1x1", "concat"]
    fusion_layers: int
    reg_token: Literal["learned", "phrase"]
    head: Literal["reg_token", "per_proposal"]
    proposal_dim: int
    label_dim: int
    decoder_dim: int
    prior_weight: float
    prior_floor: float
    prior_score: float
    prior_area: float
    prior_area_unfit: float
    prior_number: float
    prior_colour: float
    score_bound: float
    score_mlp: bool
    teacher: Literal["reconstruction", "contrastive", "both"]
    contrast_temperature: float
    mask_sharpness: float
    mask_threshold: float


@dataclass(frozen=True)
class LossParams:
    """Weights and gates of the losses."""

    reconstruction: float
    contrastive: float
    matching: float
    regression: float
    giou: float
    mining: float
    area: float
    regression_iou: float
    regression_gap: float
    regression_gate: float
    regression_start: float
    mining_px: int
    mining_nouns: int


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
    language: LanguageParams
    model: ModelParams
    loss: LossParams


def picked(kind: type[Values], section: object, **others: object) -> Values:
    """Return a dataclass filled with a section's values of the same names, and with others."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(section, name) for name in names if name not in others}, **others)
