"""Proposal features: one vector per box, of appearance, geometry and label, without the phrase.

Shapes: B images, R proposals, D channels, U channels of a proposal, (h, w) cells, S pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.grounder.config import GrounderConfig, parse_levels
from models.grounder.encoders.visual_encoder import LevelMap
from models.layers.masking import content_boxes_xyxy, valid_span

POOL_BINS = 7  # He et al. 2017, https://arxiv.org/abs/1703.06870
SAMPLES_PER_BIN = 2
GEOMETRY_DIM = 7


class ProposalEncoder(nn.Module):
    """u = ReLU(LayerNorm(W [mean RoIAlign of every (raw) level ; geometry ; label])).

    The backbone's own ("raw") maps keep what a short training of the encoder loses, such as colour.
    They are normalised per box, because their scale is the backbone's.

    Args:
        raw_dims: channels of the backbone's own maps.
        num_labels: size of the detector's vocabulary.
        config: of the grounder; a `label_dim` of 0 leaves labels out.
    """

    def __init__(self, raw_dims: Sequence[int], num_labels: int, config: GrounderConfig) -> None:
        super().__init__()
        label_dim, out_dim = config.label_dim, config.proposal_dim
        level_dim = config.embed_dim * len(parse_levels(config.levels))
        self.raw_norms = nn.ModuleList(nn.LayerNorm(dim) for dim in raw_dims)
        self.label = nn.Embedding(num_labels + 1, label_dim) if label_dim else None
        in_dim = level_dim + sum(raw_dims) + GEOMETRY_DIM + label_dim
        self.project = nn.Linear(in_dim, out_dim)
        self.norm = nn.LayerNorm(out_dim)

    def forward(
        self,
        levels: tuple[tuple[LevelMap, ...], tuple[LevelMap, ...]],
        boxes_xyxy: Tensor,
        box_labels: Tensor,
        pixel_mask: Tensor,
    ) -> Tensor:
        """Return the features of every proposal.

        Args:
            levels: the encoded levels, float (B, D, h, w) each, and the backbone's own maps.
            boxes_xyxy: proposals in pixels of the padded input, float32 (B, R, 4).
            box_labels: the detector's label, counted from 1, 0 for none, i64 (B, R).
            pixel_mask: True = image, bool (B, S, S).

        Returns:
            float (B, R, U), >= 0. Padded proposals give finite, meaningless vectors.
        """
        image_px = pixel_mask.shape[-1]
        encoded, raw = (
            [mean_roi_align(level, boxes_xyxy, image_px) for level in kind] for kind in levels
        )
        raw = [norm(pooled) for norm, pooled in zip(self.raw_norms, raw, strict=True)]
        columns = [*encoded, *raw, box_geometry(boxes_xyxy, pixel_mask)]
        if self.label is not None:
            columns.append(self.label(box_labels))
        features = torch.cat(columns, dim=-1)
        return self.norm(self.project(features)).relu()


def box_geometry(boxes_xyxy: Tensor, pixel_mask: Tensor) -> Tensor:
    """Return x1, y1, x2, y2, width, height and area as fractions of the real image, (B, R, 7)."""
    frames = content_boxes_xyxy(pixel_mask)[:, None]  # (B, 1, 4)
    start, end = frames.split(2, dim=-1)
    corners = (boxes_xyxy - start.repeat(1, 1, 2)) / (end - start).repeat(1, 1, 2)
    sides = corners[..., 2:] - corners[..., :2]
    return torch.cat([corners, sides, sides.prod(-1, keepdim=True)], dim=-1)


def mean_roi_align(level: LevelMap, boxes_xyxy: Tensor, image_px: int) -> Tensor:
    """Return the mean of RoIAlign's bins for every box, float (B, R, D).

    Equals `torchvision.ops.roi_align(..., 7, sampling_ratio=2, aligned=True).mean((-2, -1))` on the
    real cells: bilinear samples on a regular grid are separable, so their mean is two small matrix
    products, cheap and deterministic in both directions.

    Args:
        level: features, float (B, D, h, w), of an input of `image_px` x `image_px`; real cells form
            a rectangle.
        boxes_xyxy: boxes in input pixels, float32 (B, R, 4).
        image_px: side S of the input.
    """
    features, cells = level.features, level.cell_mask
    per_px = [side / image_px for side in features.shape[-2:]]
    rows = _sample_weights(boxes_xyxy[..., 1::2] * per_px[0], cells.any(2))  # (B, R, h)
    columns = _sample_weights(boxes_xyxy[..., 0::2] * per_px[1], cells.any(1))  # (B, R, w)
    across = torch.einsum("bdhw,brw->brdh", features, columns.to(features.dtype))
    return torch.einsum("brdh,brh->brd", across, rows.to(features.dtype))


def _sample_weights(spans_cells: Tensor, cell_mask: Tensor) -> Tensor:
    """Return the mean bilinear weight of each cell over the samples of a span, (B, R, cells).

    Args:
        spans_cells: start and end of each box along one axis, in cells, float32 (B, R, 2).
        cell_mask: which cells along that axis are real, bool (B, cells); samples beyond them are
            taken at the outermost real centre.
    """
    num_samples = POOL_BINS * SAMPLES_PER_BIN
    steps = (torch.arange(num_samples, device=spans_cells.device) + 0.5) / num_samples
    start, end = spans_cells[..., :1], spans_cells[..., 1:]
    centres = torch.arange(cell_mask.shape[1], device=spans_cells.device)
    first, last = (cell[:, None, None] for cell in valid_span(cell_mask))
    places = (start + (end - start) * steps - 0.5).clamp(first, last)  # (B, R, samples)
    return (1 - (places[..., None] - centres).abs()).clamp(min=0).mean(-2)
