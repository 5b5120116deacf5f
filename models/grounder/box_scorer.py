"""Score every proposal for every phrase.

Shapes: B images, P phrases, R proposals, K nouns, U channels of a proposal, G of a fused state,
D of the embeddings, S input pixels per side, (h, w) cells of an attention map.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.grounder.config import GrounderConfig

CAM_STATISTICS = 3
STATISTIC_FLOOR = 1e-3  # of a map's sum over the square root of an area, before the logarithm


@dataclass(frozen=True)
class CamStatistics:
    """Statistics of a phrase's attention map inside each box.

    Attributes:
        features: mean inside, share of the map's mass inside, mass inside / sqrt(area),
            float (B, P, R, 3); zero for a phrase without a map.
        log_density: log of the last one, float (B, P, R); zero for a phrase without a map.
    """

    features: Tensor
    log_density: Tensor


class PairMLP(nn.Module):
    """An MLP on [q ; u ; q * u ; cam statistics] of a phrase and a box, q = W_q g.

    Its last layer starts at zero. A single linear layer on [q ; u] is not enough: its q part is the
    same for all boxes and cancels in the softmax.
    """

    def __init__(self, state_dim: int, proposal_dim: int) -> None:
        super().__init__()
        self.ask = nn.Linear(state_dim, proposal_dim)
        self.hidden = nn.Linear(3 * proposal_dim + CAM_STATISTICS, proposal_dim)
        self.last = nn.Linear(proposal_dim, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, states: Tensor, proposals: Tensor, statistics: Tensor) -> Tensor:
        """Return the score of every pair, float (B, P, R); see `BoxScorer.forward`."""
        queries = self.ask(states)[:, :, None]  # (B, P, 1, U)
        boxes = proposals[:, None]  # (B, 1, R, U)
        return self.last(self._hidden(queries, boxes, statistics))[..., 0]

    def _hidden(self, queries: Tensor, boxes: Tensor, statistics: Tensor) -> Tensor:
        """Apply the first layer, float (B, P, R, U), without concatenating its inputs."""
        sizes = [queries.shape[-1], boxes.shape[-1], boxes.shape[-1], CAM_STATISTICS]
        of_query, of_box, of_product, of_statistics = self.hidden.weight.split(sizes, dim=1)
        return F.relu(
            F.linear(queries, of_query, self.hidden.bias)
            + F.linear(boxes, of_box)
            + F.linear(queries * boxes, of_product)
            + F.linear(statistics, of_statistics)
        )


class BoxScorer(nn.Module):
    """Learned score of (phrase, box): the cosine of their embeddings, and an MLP on both.

    s = bound tanh((bound cos(phrase, box) + MLP(phrase, box, cam statistics)) / bound).

    Args:
        state_dim: channels G of the fused state.
        config: of the grounder. `score_bound` is the largest absolute score, so that the prior
            keeps its influence; 0 makes every learned score 0. Without `score_mlp` the score is the
            bounded cosine alone.
    """

    def __init__(self, state_dim: int, config: GrounderConfig) -> None:
        super().__init__()
        self.bound = config.score_bound
        has_mlp = config.score_mlp and self.bound > 0
        self.pair = PairMLP(state_dim, config.proposal_dim) if has_mlp else None
        self.embed = nn.Linear(config.proposal_dim, config.embed_dim)

    def embed_boxes(self, proposals: Tensor) -> Tensor:
        """Return the unit embedding of every proposal, float (B, R, D), of features (B, R, U)."""
        return F.normalize(self.embed(proposals), dim=-1)

    def forward(
        self, states: Tensor, proposals: Tensor, statistics: Tensor, similarities: Tensor
    ) -> Tensor:
        """Return the bounded score of every pair.

        Args:
            states: fused state of each phrase, float (B, P, G).
            proposals: features of each box, float (B, R, U).
            statistics: of the phrase's map in each box, float (B, P, R, 3).
            similarities: cosine of phrase and box embedding, float (B, P, R).

        Returns:
            float (B, P, R), within +- bound.
        """
        if self.bound == 0:
            return similarities * 0
        raw = self.bound * similarities
        if self.pair is not None:
            raw = raw + self.pair(states, proposals, statistics)
        return self.bound * torch.tanh(raw / self.bound)


def masked_probs(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the softmax over the last axis within `mask`, 0 elsewhere; all 0 without a real entry.

    Args:
        logits: float (..., N).
        mask: True = real, bool, broadcasts to `logits`.
    """
    probs = logits.masked_fill(~mask, torch.finfo(logits.dtype).min).softmax(-1)
    return probs * mask


def masked_log_probs(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the log of `masked_probs` within `mask`, 0 elsewhere; of the shape of `logits`."""
    lowest = torch.finfo(logits.dtype).min
    return logits.masked_fill(~mask, lowest).log_softmax(-1).masked_fill(~mask, 0.0)


def cam_statistics(
    maps: Tensor, map_weights: Tensor, boxes_xyxy: Tensor, image_px: int
) -> CamStatistics:
    """Return the statistics of a phrase's attention map in each box, cells weighted by overlap.

    Args:
        maps: attention maps, float (B, P, K, h, w), zero on padding.
        map_weights: weight of each noun's map, float (B, P, K); sum 1, or 0 without a map.
        boxes_xyxy: in pixels of the padded input, float32 (B, R, 4).
        image_px: side S of the input.
    """
    combined = torch.einsum("bpk,bpkhw->bphw", map_weights, maps)  # (B, P, h, w)
    height, width = maps.shape[-2:]
    rows = _overlaps(boxes_xyxy[..., 1::2] * (height / image_px), height)  # (B, R, h)
    columns = _overlaps(boxes_xyxy[..., 0::2] * (width / image_px), width)  # (B, R, w)
    mass = torch.einsum("bphw,brh,brw->bpr", combined, rows, columns)
    areas = (rows.sum(-1) * columns.sum(-1))[:, None].clamp(min=1e-6)  # (B, 1, R) in cells
    total = combined.sum((-2, -1))[..., None].clamp(min=1e-6)  # (B, P, 1)
    density = mass / areas.sqrt()
    has_map = map_weights.sum(-1, keepdim=True) > 0  # (B, P, 1)
    return CamStatistics(
        torch.stack([mass / areas, mass / total, density], dim=-1),
        torch.log(density + STATISTIC_FLOOR) * has_map,
    )


def _overlaps(spans_cells: Tensor, num_cells: int) -> Tensor:
    """Return how much of each cell, 0 to 1, lies in each span (B, R, 2), float (B, R, cells)."""
    starts = torch.arange(num_cells, device=spans_cells.device)
    ends = starts + 1
    low = torch.maximum(spans_cells[..., :1], starts)
    high = torch.minimum(spans_cells[..., 1:], ends)
    return (high - low).clamp(min=0)
