"""What a training minimises, as plain numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossWeights:
    """The keys of params.yaml `train.loss`, explained there."""

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
