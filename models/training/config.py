"""What a training minimises, as plain numbers."""

from dataclasses import dataclass

from models.ranges import NonNegativeFloat, NonNegativeInt, Pixels, Share


@dataclass(frozen=True)
class LossWeights:
    """The keys of params.yaml `train.loss`, explained there."""

    reconstruction: NonNegativeFloat
    contrastive: NonNegativeFloat
    matching: NonNegativeFloat
    regression: NonNegativeFloat
    giou: NonNegativeFloat
    mining: NonNegativeFloat
    area: NonNegativeFloat
    place: NonNegativeFloat
    withheld: NonNegativeFloat
    regression_iou: Share
    regression_gap: Share
    regression_gate: Share
    regression_start: Share
    mining_px: Pixels
    mining_nouns: NonNegativeInt
