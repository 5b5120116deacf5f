"""A learned score of boxes for phrases whose noun no label of the image fits.

A small network reads off a phrase where in an image such a thing is, how large it is and which
shape it has. `models.training.withheld_loss` teaches it by phrases whose label is withheld.

Shapes: B images, P phrases, R proposals, C channels of the text encoder.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.grounder.batch import GroundingInputs
from models.grounder.config import GrounderConfig
from models.grounder.priors.place import boxes_as_shares

MEASURES = 9
LOWEST_SIDE = 1e-3  # of the image's side, before the logarithm
EDGE = 0.02  # of the image's side; a box that near to the edge is cut by it


@dataclass(frozen=True)
class UnfitScores:
    """Scores of boxes by their place and shape.

    Attributes:
        logits: weighted, to be added to a box's score; 0 where a label fits the phrase, float32
            (B, P, R); without a gradient.
        blind: not weighted, of every pair, float32 (B, P, R).
    """

    logits: Tensor
    blind: Tensor


class UnfitScorer(nn.Module):
    """An MLP of a box's geometry and the phrase's state; its last layer starts at zero.

    Args:
        channels: of the text encoder, C.
        config: of the grounder.
    """

    def __init__(self, channels: int, config: GrounderConfig) -> None:
        super().__init__()
        dim = config.unfit_dim
        self.of_box = nn.Linear(MEASURES, dim)
        self.of_phrase = nn.Linear(channels, dim)
        self.hidden = nn.Linear(dim, dim)
        self.last = nn.Linear(dim, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, inputs: GroundingInputs, states: Tensor, weight: float) -> UnfitScores:
        """Return the score of every pair.

        Args:
            inputs: boxes and phrases.
            states: mean state of each phrase's words, float (B, P, C); read as they are, without a
                gradient.
            weight: of the score where no label fits.
        """
        of_box = self.of_box(measure_geometry(inputs))[:, None]  # (B, 1, R, U)
        of_phrase = self.of_phrase(states.detach())[:, :, None]  # (B, P, 1, U)
        hidden = F.gelu(self.hidden(F.gelu(of_box + of_phrase)))
        blind = self.last(hidden)[..., 0].float()  # (B, P, R)
        return UnfitScores(weight * blind.detach() * ~inputs.has_fit, blind)


def no_unfit_scores(inputs: GroundingInputs) -> UnfitScores:
    """Return the scores of a grounder that learns none: 0 for every box."""
    nothing = torch.zeros_like(inputs.box_priors)  # (B, P, R)
    return UnfitScores(nothing, nothing)


def measure_geometry(inputs: GroundingInputs) -> Tensor:
    """Return where every box is and which shape it has, float32 (B, R, 9).

    Its centre's x and y, the log of its width and height, all as shares of the image; whether it
    touches the left, top, right and bottom edge; the log of width over height in pixels.
    """
    shares = boxes_as_shares(inputs)  # (B, R, 4)
    centres = (shares[..., :2] + shares[..., 2:]) / 2
    sides = (shares[..., 2:] - shares[..., :2]).clamp(min=LOWEST_SIDE)
    touches = torch.cat([shares[..., :2] < EDGE, shares[..., 2:] > 1 - EDGE], dim=-1)
    pixels = (inputs.boxes_xyxy[..., 2:] - inputs.boxes_xyxy[..., :2]).clamp(min=1)
    aspect = (pixels[..., :1] / pixels[..., 1:]).log()
    return torch.cat([centres, sides.log(), touches, aspect], dim=-1)
