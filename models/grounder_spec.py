"""What a grounder is made of, as plain numbers and names."""

from dataclasses import dataclass
from typing import Literal

from models.cam_encoder import CamInput
from models.fusion import FusionKind, RegToken


@dataclass(frozen=True)
class GrounderSpec:
    """All that is needed to build a grounder, besides its backbone and its language encoder.

    The first part has the keys of params.yaml `train.model`, explained there. The second is known
    from weights and data: torchvision architecture, its width, normalisation of RGB in [0, 1],
    size of the word vocabulary, and whether the language encoder comes from elsewhere.
    """

    embed_dim: int
    levels: str
    visual_layers: int
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
    decoder_dim: int
    prior_weight: float
    prior_floor: float
    score_bound: float
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
    language_pretrained: bool
