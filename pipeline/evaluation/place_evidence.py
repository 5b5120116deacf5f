"""How well proposals fit what a phrase says of their place, for methods without training.

Shapes: R proposals, L labels of the detector.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.grounder.priors.place import COUNTED_SCORE
from models.grounder.priors.place_geometry import (
    order_logits,
    relation_logits,
    side_logits,
    size_logits,
)
from models.phrases.place_words import CUES, RELATIONS, SIDES, number_in
from models.phrases.places import Place
from pipeline.samples.sample_facts import SampleFacts

SIDE_NATS, SIZE_NATS, ORDER_NATS, RELATION_NATS = 8.0, 6.0, 3.0, 3.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PlaceEvidence:
    """Nats for each proposal; 0 for all where the phrase says nothing of the kind.

    Attributes:
        position: of sides, size and order, float64 (R,).
        relation: of the relation to the anchor, float64 (R,).
    """

    position: Floats
    relation: Floats


def place_evidence(facts: SampleFacts, matches: NDArray[np.floating]) -> PlaceEvidence:
    """Return what the words of place say of each proposal of an image.

    Args:
        facts: of an image and one of its phrases.
        matches: how well the phrase's head noun fits each proposal's label, in [0, 1], (R,).
    """
    place, scores = facts.places[0], facts.proposals["scores"].astype(np.float64)
    shares = torch.from_numpy(_shares(facts))[None]  # (1, R, 4)
    cues = torch.tensor([[[cue in place.cues for cue in CUES]]])  # (1, 1, 9)
    position = SIDE_NATS * side_logits(shares, cues) + SIZE_NATS * size_logits(shares, cues)
    position += ORDER_NATS * _order(place, shares, matches, scores)
    anchors = facts.anchor_similarity[0][facts.proposals["labels"]] * scores  # (R,)
    probs = anchors / max(anchors.sum(), np.finfo(np.float64).tiny)
    relation = RELATION_NATS * relation_logits(
        shares,
        torch.tensor([[number_in(RELATIONS, place.relation)]]),
        torch.from_numpy(probs)[None, None],
    )
    return PlaceEvidence(position[0, 0].numpy(), relation[0, 0].numpy())


def _order(
    place: Place, shares: torch.Tensor, matches: NDArray[np.floating], scores: Floats
) -> torch.Tensor:
    """Return `order_logits` among the surest of the best fitting proposals, (1, 1, R)."""
    best = matches == matches.max(initial=0.0)
    counted = best & (scores >= COUNTED_SCORE * scores[best].max(initial=0.0))
    return order_logits(
        shares,
        torch.from_numpy(counted)[None, None],
        torch.tensor([[place.rank]]),
        torch.tensor([[max(0, number_in(SIDES, place.rank_side))]]),
    )


def _shares(facts: SampleFacts) -> Floats:
    """Return the proposals as shares of width and height, float64 (R, 4)."""
    height, width = facts.image.image_hw
    return facts.proposals["boxes_xyxy"] / np.array([width, height, width, height], np.float64)
