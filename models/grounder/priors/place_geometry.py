"""How well boxes fit what a phrase says of their place: sides, size, order, relation to an anchor.

Boxes are shares of the image, so that a weight means the same for pictures of any size.

Shapes: B images, P phrases, R proposals, C = len(CUES) cues.
"""

import torch
from torch import Tensor
from torchvision.ops import box_iou

from models.phrases.place_words import CUES, RELATIONS, TOUCHING

SAME_BOX_IOU = 0.5  # two candidates that overlap so are one thing
ALIGNED = 0.8  # "left of": farther left than this share of how far it is above or below
NEGLIGIBLE = 1e-6


def side_logits(boxes_shares: Tensor, cues: Tensor) -> Tensor:
    """Return how far every box lies on the sides that a phrase names, float32 (B, P, R).

    For each side the distance of the box's centre from the image's middle, as a share of the
    image's extent, positive towards the side; of `front` and `back` that of the lower edge, for
    what is nearer stands lower in a picture. For `middle` minus the distance from the middle, along
    the axis that no other cue speaks of.

    Args:
        boxes_shares: left, top, right, bottom as shares of width and height, float32 (B, R, 4).
        cues: which cues each phrase names, bool (B, P, C), in the order of `CUES`.
    """
    x, y = _centres(boxes_shares)  # (B, R) twice
    near = boxes_shares[..., 3] - 0.5  # (B, R)
    of_cue = {"left": -x, "right": x, "top": -y, "bottom": y, "front": near, "back": -near}
    sides = torch.stack([of_cue.get(cue, torch.zeros_like(x)) for cue in CUES], dim=1)  # (B, C, R)
    logits = torch.einsum("bpc,bcr->bpr", cues.to(x.dtype), sides)
    has_x, has_y = _any_of(cues, ("left", "right")), _any_of(cues, ("top", "bottom"))
    apart = ~has_x * x.abs()[:, None] + ~has_y * y.abs()[:, None]  # (B, P, R)
    return logits - _any_of(cues, ("middle",)) * apart


def size_logits(boxes_shares: Tensor, cues: Tensor) -> Tensor:
    """Return how large the boxes are for "big", how small for "little", float32 (B, P, R).

    It is the root of the box's share of the image, times 1 for `large` and -1 for `small`.

    Args:
        boxes_shares: float32 (B, R, 4).
        cues: bool (B, P, C).
    """
    sides = (boxes_shares[..., 2:] - boxes_shares[..., :2]).clamp(min=0)
    root = sides.prod(-1).sqrt()[:, None]  # (B, 1, R)
    return root * (_any_of(cues, ("large",)).float() - _any_of(cues, ("small",)).float())


def order_logits(boxes_shares: Tensor, candidates: Tensor, ranks: Tensor, sides: Tensor) -> Tensor:
    """Return minus how far a box's place in the row is from the one named, float32 (B, P, R).

    A box's place is the number of candidates before it, counted from a side by their centres, of
    candidates that overlap the first alone. It is 0 for a phrase without an order.

    Args:
        boxes_shares: float32 (B, R, 4).
        candidates: boxes of the things that are counted, the surest first, bool (B, P, R).
        ranks: 2 for "second", 0 for a phrase without an order, i64 (B, P).
        sides: index in `SIDES` that the count starts from, i64 (B, P).
    """
    x, y = _centres(boxes_shares)
    near = boxes_shares[..., 3]
    along = torch.stack([x, -x, y, -y, -near, near], dim=1)  # (B, len(SIDES), R), smaller first
    places = along.gather(1, sides[..., None].expand(-1, -1, along.shape[-1]))  # (B, P, R)
    return rank_logits(boxes_shares, places, candidates, ranks)


def rank_logits(boxes_shares: Tensor, places: Tensor, candidates: Tensor, ranks: Tensor) -> Tensor:
    """Return minus how far a box's place in a row is from the one named, float32 (B, P, R).

    A box's place is the number of candidates before it, of candidates that overlap the first alone.
    It is 0 for a phrase without an order.

    Args:
        boxes_shares: float32 (B, R, 4).
        places: along the row that each phrase counts in, smaller first, float32 (B, P, R).
        candidates: boxes of the things that are counted, the surest first, bool (B, P, R).
        ranks: 2 for "second", 0 for a phrase without an order, i64 (B, P).
    """
    same = box_iou(boxes_shares, boxes_shares) > SAME_BOX_IOU  # (B, R, R)
    earlier = torch.ones_like(same).tril(-1)
    doubled = (candidates[:, :, None] & (same & earlier)[:, None]).any(-1)  # (B, P, R)
    counted = candidates & ~doubled
    before = places[:, :, None] < places[..., None]  # (B, P, R, R): other before box
    others = counted[:, :, None] & before & ~same[:, None]
    distance = (others.sum(-1) - (ranks - 1)[..., None]).abs()
    return -distance.float() * (ranks > 0)[..., None]


def relation_logits(boxes_shares: Tensor, relations: Tensor, anchor_probs: Tensor) -> Tensor:
    """Return how well each box stands in the named relation to the anchor, float32 (B, P, R).

    It is the expectation of `relation_fits` over the boxes that may be the anchor, in [-1, 1]; 0
    for a phrase without a relation or whose anchor is in no box.

    Args:
        boxes_shares: float32 (B, R, 4).
        relations: index in `RELATIONS`, -1 for none, i64 (B, P).
        anchor_probs: probability of each box to be the anchor; 0 for all where it is unknown,
            float32 (B, P, R).
    """
    fits = relation_fits(boxes_shares)  # (B, len(RELATIONS), R, R)
    index = relations.clamp(min=0)[..., None, None].expand(-1, -1, *fits.shape[-2:])
    of_phrase = fits.gather(1, index)  # (B, P, R, R)
    expected = torch.einsum("bprs,bps->bpr", of_phrase, anchor_probs)
    return expected * (relations >= 0)[..., None]


def relation_fits(boxes_shares: Tensor) -> Tensor:
    """Return how well each box stands in each relation to each other, float32 (B, K, R, R).

    K = len(RELATIONS), the anchor on the last axis; in [-1, 1], and -1 of a box to itself. For a
    side it is how far the centre lies beyond the anchor's, less `ALIGNED` of how far it is aside;
    `front` and `back` compare lower edges; `near` is minus the gap between the boxes; `touching`
    the share of the smaller box that lies in the larger one, less 1.

    Args:
        boxes_shares: float32 (B, R, 4).
    """
    x, y = _centres(boxes_shares)
    beyond_x = x[:, None] - x[..., None]  # (B, R, R): anchor minus box, positive where it is left
    beyond_y = y[:, None] - y[..., None]
    aside_x, aside_y = ALIGNED * beyond_y.abs(), ALIGNED * beyond_x.abs()
    near = boxes_shares[..., 3]
    nearer = near[..., None] - near[:, None]
    gaps = _gaps(boxes_shares)
    fits = {
        "left": beyond_x - aside_x,
        "right": -beyond_x - aside_x,
        "top": beyond_y - aside_y,
        "bottom": -beyond_y - aside_y,
        "front": nearer - gaps,
        "back": -nearer - gaps,
        "near": -gaps,
        TOUCHING: _shares_inside(boxes_shares) - 1,
    }
    stacked = torch.stack([fits[relation] for relation in RELATIONS], dim=1).clamp(-1, 1)
    same = box_iou(boxes_shares, boxes_shares) > SAME_BOX_IOU
    return stacked.masked_fill(same[:, None], -1.0)


def shares_of_others(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of each box that is inside another, and its area as a share of the other's.

    Args:
        boxes: float32 (B, R, 4).
        others: float32 (B, S, 4).

    Returns:
        The first in [0, 1], the second not negative, float32 (B, R, S) each; for an empty box or an
        empty other they are 0 or large, but finite.
    """
    areas, wholes = _areas(boxes)[..., None], _areas(others)[:, None]
    inside = _intersections(boxes, others) / areas.clamp(min=NEGLIGIBLE)
    return inside, areas / wholes.clamp(min=NEGLIGIBLE)


def _shares_inside(boxes: Tensor) -> Tensor:
    """Return the intersection of each pair as a share of the smaller box, float32 (B, R, R)."""
    smaller = torch.minimum(_areas(boxes)[..., None], _areas(boxes)[:, None])
    return _intersections(boxes, boxes) / smaller.clamp(min=NEGLIGIBLE)


def _gaps(boxes: Tensor) -> Tensor:
    """Return the distance between the nearest points of each pair of boxes, float32 (B, R, R)."""
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    return (low - high).clamp(min=0).norm(dim=-1)


def _intersections(boxes: Tensor, others: Tensor) -> Tensor:
    low = torch.maximum(boxes[:, :, None, :2], others[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], others[:, None, :, 2:])
    return (high - low).clamp(min=0).prod(-1)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _centres(boxes_shares: Tensor) -> tuple[Tensor, Tensor]:
    """Return the boxes' centres from the image's middle, in [-0.5, 0.5], float32 (B, R) twice."""
    centres = (boxes_shares[..., :2] + boxes_shares[..., 2:]) / 2 - 0.5
    return centres[..., 0], centres[..., 1]


def _any_of(cues: Tensor, names: tuple[str, ...]) -> Tensor:
    """Return whether a phrase names one of these cues, bool (B, P, 1)."""
    return cues[..., [CUES.index(name) for name in names]].any(-1, keepdim=True)
