"""Words of place whose meaning is learned: what a phrase says of where its thing is.

For every box a network of its geometry says which words of place a phrase about it would use. Read
backwards (Bayes), these probabilities say which boxes the words of a phrase fit. No list of words
is needed; the parser says which words are of place, what the anchor's noun is, and which rank an
ordinal has.

Shapes: B images, P phrases, R proposals, L words of place of a phrase, V all words of place, W
words of the decoder's vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from models.grounder.batch import GroundingInputs
from models.grounder.config import GrounderConfig
from models.grounder.priors.place import anchor_probs, boxes_as_shares, counted_boxes
from models.grounder.priors.place_geometry import rank_logits

MEASURES = 16
MEASURE_SCALE = 4.0  # makes places, spread evenly over the image, of about unit variance
LOGIT_SCALE = 4.0  # so that words are learned in as few updates as looks are


@dataclass(frozen=True)
class PlaceReading:
    """What words of place say of boxes.

    Attributes:
        logits: weighted, to be added to a box's score, float32 (B, P, R); without a gradient.
        log_probs: of the phrase's words of place if it meant the box, float32 (B, P, R).
        usual: of these words if nothing is known of the box, float32 (B, P).
    """

    logits: Tensor
    log_probs: Tensor
    usual: Tensor


class PlaceReader(nn.Module):
    """Probabilities of words of place, given a box's geometry and its anchor's.

    A phrase is a bag of words: log p(words | box) is the sum over them of log p(word | box), a
    softmax over all words of place. What the words say of a box is log p(words | box) minus
    log p(words), the pointwise mutual information.

    Args:
        config: of the grounder.
        num_words: words W of the decoder's vocabulary.
        num_place_words: how many of them, V, say where a thing is.
    """

    row_of_word: Tensor

    def __init__(self, config: GrounderConfig, num_words: int, num_place_words: int) -> None:
        super().__init__()
        dim = config.place_dim
        self.words_of_box = nn.Sequential(
            nn.Linear(MEASURES, dim),
            nn.ReLU(),
            nn.Linear(dim, dim),
            nn.ReLU(),
            nn.Linear(dim, num_place_words),
        )
        self.usual_words = nn.Parameter(torch.zeros(num_place_words))
        self.register_buffer("row_of_word", torch.full((num_words,), -1))

    def learn_words(self, word_ids: Sequence[int]) -> None:
        """Set which V words of the decoder's vocabulary, by their ids, say where a thing is."""
        self.row_of_word.fill_(-1)
        self.row_of_word[list(word_ids)] = torch.arange(len(word_ids))

    def forward(self, inputs: GroundingInputs, config: GrounderConfig) -> PlaceReading:
        """Return what the phrases' words of place say of every box; 0 for a phrase without any.

        A phrase with an order ("second from the left") counts the boxes of its noun by how well its
        other words fit them: minus how far a box's place in this row is from the rank, times
        `place_order`. For others it is the mutual information, times `place_weight`.
        """
        counts = self._count_words(inputs.place_word_ids)  # (B, P, V)
        word_logits = LOGIT_SCALE * self.words_of_box(
            MEASURE_SCALE * measure_places(inputs, config)
        )
        log_probs = torch.einsum("bprv,bpv->bpr", word_logits.float().log_softmax(-1), counts)
        usual = torch.einsum("v,bpv->bp", (LOGIT_SCALE * self.usual_words).log_softmax(-1), counts)
        fits = (log_probs - usual[..., None]).detach()  # (B, P, R)
        ranks = inputs.place_ranks
        shares, counted = boxes_as_shares(inputs), counted_boxes(inputs)
        by_order = config.place_order * rank_logits(shares, -fits, counted, ranks)
        logits = torch.where((ranks > 0)[..., None], by_order, config.place_weight * fits)
        return PlaceReading(logits, log_probs, usual)

    def _count_words(self, word_ids: Tensor) -> Tensor:
        """Return how often each phrase has each word of place, float32 (B, P, V)."""
        rows = self.row_of_word[word_ids] + 1  # (B, P, L), 0 for another word
        counts = torch.zeros(*rows.shape[:2], len(self.usual_words) + 1, device=rows.device)
        ones = torch.ones_like(rows, dtype=counts.dtype)
        return counts.scatter_add(-1, rows, ones)[..., 1:]


def no_reading(inputs: GroundingInputs) -> PlaceReading:
    """Return what a grounder that learns no words of place reads: 0 for every box."""
    nothing = torch.zeros_like(inputs.box_priors)  # (B, P, R)
    return PlaceReading(nothing, nothing, nothing.sum(-1))


def measure_places(inputs: GroundingInputs, config: GrounderConfig) -> Tensor:
    """Return where every box is, and where from the phrase's anchor, float32 (B, P, R, 16).

    All are shares of the image. The first nine are x and y of the centre from the image's middle;
    left, top, right, bottom; width, height and the root of their product. The last seven are
    expectations over the boxes that may be the anchor: x and y from the box's centre to the
    anchor's, their absolute values, the distance, the IoU, and 1; all 0 without an anchor.
    """
    shares = boxes_as_shares(inputs)  # (B, R, 4)
    sides = (shares[..., 2:] - shares[..., :2]).clamp(min=0)  # (B, R, 2)
    centres = (shares[..., 2:] + shares[..., :2]) / 2  # (B, R, 2)
    root = sides.prod(-1, keepdim=True).sqrt()
    own = torch.cat([centres - 0.5, shares, sides, root], dim=-1)  # (B, R, 9)
    steps = centres[:, None] - centres[:, :, None]  # (B, R, R, 2), to the box on the third axis
    overlap = box_iou(shares, shares).nan_to_num(0.0)[..., None]  # (B, R, R, 1); 0 / 0 on padding
    distance = steps.norm(dim=-1, keepdim=True)
    pairs = torch.cat([steps, steps.abs(), distance, overlap, torch.ones_like(overlap)], dim=-1)
    anchors = anchor_probs(inputs, config)  # (B, P, R)
    from_anchor = torch.einsum("brsm,bps->bprm", pairs, anchors)  # (B, P, R, 7)
    return torch.cat([own[:, None].expand(-1, anchors.shape[1], -1, -1), from_anchor], dim=-1)
