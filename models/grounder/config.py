"""What a grounder is made of, as plain numbers and names: read without importing torch."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from models.ranges import (
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PositiveShare,
    Range,
    Share,
    ShareBelowOne,
    Text,
)

CamInput = Literal["map", "feature", "both"]


@dataclass(frozen=True)
class LanguageConfig:
    """Sizes of a text encoder from scratch: params.yaml `train.language`, explained there."""

    hidden: PositiveInt
    heads: PositiveInt
    vocabulary: PositiveInt


@dataclass(frozen=True)
class LanguageSizes(LanguageConfig):
    """All sizes of a text encoder: with its layers and its dropout, which the grounder decides."""

    layers: int
    dropout: float


@dataclass(frozen=True)
class GrounderConfig:
    """The architecture: params.yaml `train.model`, explained there."""

    backbone: Text
    embed_dim: Annotated[int, Range(4, 8192, step=4)]  # a quarter each for sine, cosine, y, x
    levels: str
    depth: str
    visual_window: NonNegativeInt
    heads: PositiveInt
    ffn_dim: PositiveInt
    dropout: ShareBelowOne
    cam: Literal["off", "encode", "mine"]
    cam_input: CamInput
    cam_blocks: NonNegativeInt
    cam_nouns: Literal["head", "all"]
    cam_weight: NonNegativeFloat
    cam_ranks: Literal["learned", "raw"]
    fusion: Literal["single", "conv1x1", "concat"]
    fusion_layers: PositiveInt
    reg_token: Literal["learned", "phrase"]
    head: Literal["reg_token", "per_proposal"]
    proposal_dim: PositiveInt
    label_dim: NonNegativeInt
    decoder_dim: PositiveInt
    prior_weight: NonNegativeFloat
    prior_floor: PositiveShare
    prior_score: NonNegativeFloat
    prior_score_unfit: NonNegativeFloat
    prior_area: FiniteFloat
    prior_area_unfit: FiniteFloat
    prior_number: NonNegativeFloat
    prior_colour: NonNegativeFloat
    prior_side: NonNegativeFloat
    prior_size: NonNegativeFloat
    prior_order: NonNegativeFloat
    prior_relation: NonNegativeFloat
    place_weight: NonNegativeFloat
    place_order: NonNegativeFloat
    place_dim: PositiveInt
    unfit_weight: NonNegativeFloat
    unfit_dim: PositiveInt
    prior_claim: NonNegativeFloat
    prior_wearer: NonNegativeFloat
    prior_part_area: FiniteFloat
    score_bound: NonNegativeFloat
    score_mlp: bool
    score_plain: Share
    score_unfit: Share
    teacher: Literal["reconstruction", "contrastive", "both"]
    contrast_temperature: PositiveFloat
    mask_sharpness: PositiveFloat
    mask_threshold: Share


@dataclass(frozen=True)
class GrounderSpec(GrounderConfig):
    """A configuration with what weights and data decide: all that is needed to build a grounder.

    Attributes:
        arch: architecture of the classifier.
        width: its width multiplier.
        mean: of RGB in [0, 1], subtracted from each channel.
        std: what each channel is divided by after that.
        bgr: the channels' order is blue, green, red.
        num_words: size of the vocabulary of words to reconstruct.
        num_labels: size of the detector's vocabulary.
        num_place_words: how many of the words to reconstruct say where a thing is.
        backbone_pretrained: the backbone's weights do not start from random values.
        language_pretrained: the language encoder's do not.
    """

    arch: str
    width: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool
    num_words: int
    num_labels: int
    num_place_words: int
    backbone_pretrained: bool
    language_pretrained: bool


def parse_depth(depth: str) -> tuple[int, int]:
    """Return "6+12" as (6, 12): layers of the visual encoder and of the language encoder.

    Raises:
        ValueError: the text is no such pair, or the language encoder has no layer.
    """
    numbers = re.fullmatch(r"(\d{1,3})\+([1-9]\d{0,2})", depth)
    if not numbers:
        raise ValueError(
            f"depth: {depth!r} is not visual encoder layers + language encoder layers, as '6+12'"
        )
    return int(numbers[1]), int(numbers[2])


def parse_levels(levels: str) -> tuple[int, ...]:
    """Return "3+5" as (3, 5): the levels of the backbone that are encoded.

    Raises:
        ValueError: the text is no increasing choice of 3, 4 and 5.
    """
    parts = tuple(int(part) for part in levels.split("+") if part in {"3", "4", "5"})
    if not parts or "+".join(map(str, sorted(set(parts)))) != levels:
        raise ValueError(f"levels: {levels!r} is not an increasing choice such as '3+4+5' or '5'")
    return parts
