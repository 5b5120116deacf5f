"""A learned score of boxes for phrases whose noun no label of the image fits.

A small network of what is known of a box without labels: how the noun's map lies in it, its place
and shape, the phrase's colours, whose body it is on, and what the phrase says.
`models.training.withheld_loss` teaches it by phrases whose label is withheld.

Shapes: B images, P phrases, R proposals, C channels of the text encoder.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.grounder.batch import GroundingInputs
from models.grounder.box_scorer import CamStatistics
from models.grounder.config import GrounderConfig
from models.grounder.priors.box_evidence import area_shares, log_colour
from models.grounder.priors.place import boxes_as_shares
from models.grounder.priors.sentence import earlier_boxes, lay_on_wearers

MEASURES, ON_WEARER = 23, 8
LOWEST_SHARE = 0.02  # of a map's values and mass, before the logarithm
LOWEST_SIDE = 1e-3  # of the image's side, before the logarithm
EDGE = 0.02  # of the image's side; a box that near to the edge is cut by it
LOWEST_INSIDE = 0.05  # of a box, added to its share inside its wearer before the logarithm


@dataclass(frozen=True)
class UnfitScores:
    """Scores of boxes by what is known of them without labels.

    Attributes:
        logits: weighted, to be added to a box's score; 0 where a label fits the phrase, float32
            (B, P, R); without a gradient.
        blind: not weighted, of every pair, float32 (B, P, R).
    """

    logits: Tensor
    blind: Tensor


class UnfitScorer(nn.Module):
    """An MLP of a box's measures and the phrase's state; its last layer starts at zero.

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

    def forward(
        self,
        inputs: GroundingInputs,
        statistics: CamStatistics,
        states: Tensor,
        config: GrounderConfig,
    ) -> UnfitScores:
        """Return the score of every pair.

        Args:
            inputs: boxes and phrases.
            statistics: of the raw map of each phrase's noun in each box.
            states: mean state of each phrase's words, float (B, P, C); read as they are, without a
                gradient.
            config: `unfit_weight`, and what settles the sentence's earlier phrases.
        """
        measures = measure_boxes(inputs, statistics, config)  # (B, P, R, 23)
        pairs = self.of_box(measures) + self.of_phrase(states.detach())[:, :, None]
        blind = self.last(F.gelu(self.hidden(F.gelu(pairs))))[..., 0].float()  # (B, P, R)
        return UnfitScores(config.unfit_weight * blind.detach() * ~inputs.has_fit, blind)


def no_unfit_scores(inputs: GroundingInputs) -> UnfitScores:
    """Return the scores of a grounder that learns none: 0 for every box."""
    nothing = torch.zeros_like(inputs.box_priors)  # (B, P, R)
    return UnfitScores(nothing, nothing)


def measure_boxes(
    inputs: GroundingInputs, statistics: CamStatistics, config: GrounderConfig
) -> Tensor:
    """Return what is known of every box for a phrase without its label, float32 (B, P, R, 23).

    - Four of the noun's map: log of its mean inside and of the share of its mass inside, log of
      its density, and 1; all 0 without a map.
    - Nine of the box: `measure_geometry`.
    - Two of the words: 1 for a phrase about several things; the log of the share of its colours.
    - Eight of the box that has on what the phrase means: `measure_on_wearer`.
    """
    mean, mass, _ = statistics.features.unbind(-1)  # (B, P, R)
    has_map = statistics.has_map.float().expand_as(mean)
    by_map = [(mean + LOWEST_SHARE).log() * has_map, (mass + LOWEST_SHARE).log() * has_map]
    by_map = [*by_map, statistics.log_density, has_map]
    area = area_shares(inputs)[:, None]  # (B, 1, R)
    colours = log_colour(inputs.box_colours, inputs.box_mask, area)
    is_plural = inputs.phrase_is_plural[..., None].float().expand_as(colours)
    geometry = measure_geometry(inputs)[:, None].expand(-1, colours.shape[1], -1, -1)
    by_words = torch.stack([*by_map, is_plural, colours], dim=-1)  # (B, P, R, 6)
    return torch.cat([by_words, geometry, measure_on_wearer(inputs, config)], dim=-1)


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


def measure_on_wearer(inputs: GroundingInputs, config: GrounderConfig) -> Tensor:
    """Return where every box is on the box of who wears or has what the phrase means.

    Left, top, right and bottom as shares of the wearer's sides from its top left, in [-2, 3]; the
    log of its area over the wearer's, in [-8, 3]; the share of the box inside the wearer's, and its
    log; and 1. All 0 where nobody is known to have it.

    Returns:
        float32 (B, P, R, 8).
    """
    if inputs.boxes_xyxy.shape[1] == 0:
        return torch.zeros(*inputs.box_priors.shape, ON_WEARER, device=inputs.boxes_xyxy.device)
    on = lay_on_wearers(inputs, earlier_boxes(inputs, config))
    others = on.wearers_xyxy[:, :, None]  # (B, P, 1, 4)
    sides = (others[..., 2:] - others[..., :2]).clamp(min=1)
    steps = inputs.boxes_xyxy[:, None] - others[..., :2].repeat(1, 1, 1, 2)  # (B, P, R, 4)
    places = (steps / sides.repeat(1, 1, 1, 2)).clamp(-2, 3)
    by_area = on.part.clamp(min=1e-4).log().clamp(-8, 3)
    rest = [by_area, on.inside, (on.inside + LOWEST_INSIDE).log(), torch.ones_like(on.inside)]
    return torch.cat([places, torch.stack(rest, dim=-1)], dim=-1) * on.is_worn[..., None]
