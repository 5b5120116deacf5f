"""The reconstruction loss of phrases, and how much the decoder depends on the image.

Shapes: B images, P phrases, R proposals, U channels of a proposal, W words with the closing
<eos>, V words of the vocabulary.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from models.grounder.phrase_decoder import PhraseDecoder
from models.training.distributed import global_count


def reconstruction_loss(logits: Tensor, word_ids: Tensor, word_mask: Tensor) -> Tensor:
    """Return the mean cross-entropy over the real words of the batch, a scalar; 0 without any.

    Args:
        logits: float (B, P, W, V).
        word_ids: i64 (B, P, W).
        word_mask: True = a word or <eos> of a real phrase, bool (B, P, W).
    """
    return _summed(logits, word_ids, word_mask) / global_count(word_mask.sum())


def _summed(logits: Tensor, word_ids: Tensor, word_mask: Tensor) -> Tensor:
    """Return the cross-entropies of all real words added up."""
    losses = F.cross_entropy(logits.flatten(0, 2).float(), word_ids.flatten(), reduction="none")
    return (losses * word_mask.flatten()).sum()


@torch.no_grad()
def vision_gap(
    decoder: PhraseDecoder, attended: Tensor, word_ids: Tensor, word_mask: Tensor
) -> Tensor:
    """Return the rise of the loss per word when every phrase gets another image's z, a scalar.

    Close to 0 means that the decoder ignores the image. 0 for a batch of one image. Computed on
    this process's part of a batch.

    Args:
        decoder: the phrase decoder.
        attended: z, the attended proposals, float (B, P, U).
        word_ids: i64 (B, P, W).
        word_mask: True = a word or <eos> of a real phrase, bool (B, P, W).
    """
    swapped = decoder(attended.roll(1, dims=0), word_ids)
    true = decoder(attended, word_ids)
    gap = _summed(swapped, word_ids, word_mask) - _summed(true, word_ids, word_mask)
    return gap / word_mask.sum().clamp(min=1)
