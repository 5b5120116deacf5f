"""What a grounder is made of, as plain numbers and names."""

import re
from dataclasses import dataclass
from typing import Literal

from models.grounder.cam_encoder import CamInput
from models.grounder.fusion import FusionKind, RegToken


@dataclass(frozen=True)
class GrounderSpec:
    """All that is needed to build a grounder, besides its backbone and its language encoder.

    The first part has the keys of params.yaml `train.model`, explained there. The second is known
    from weights and data: architecture and width of the classifier, normalisation of RGB in [0, 1],
    sizes of the word vocabulary and of the detector's, and whether backbone and language encoder
    come from elsewhere.
    """

    backbone: str
    embed_dim: int
    levels: str
    depth: str
    visual_window: int
    heads: int
    ffn_dim: int
    dropout: float
    cam: Literal["off", "encode", "mine"]
    cam_input: CamInput
    cam_blocks: int
    cam_nouns: Literal["head", "all"]
    cam_weight: float
    fusion: FusionKind
    fusion_layers: int
    reg_token: RegToken
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

    arch: str
    width: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool
    num_words: int
    num_labels: int
    backbone_pretrained: bool
    language_pretrained: bool


def parse_depth(depth: str) -> tuple[int, int]:
    """Return "6+12" as (6, 12): layers of the visual encoder and of the language encoder.

    Raises:
        ValueError: the text is no such pair, or the language encoder has no layer.
    """
    found = re.fullmatch(r"(\d+)\+([1-9]\d*)", depth)
    if not found:
        raise ValueError(
            f"depth: {depth!r} is not visual encoder layers + language encoder layers, as '6+12'"
        )
    return int(found[1]), int(found[2])
