"""Contrastive losses on phrase and box embeddings.

Shapes: B images, P phrases, R proposals, D channels, T word pieces.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive_loss(
    phrase_embeddings: Tensor,
    box_embeddings: Tensor,
    phrase_mask: Tensor,
    box_mask: Tensor,
    negatives: Tensor,
    temperature: float,
) -> Tensor:
    """Return the cross-entropy of a phrase choosing its own image among those of the batch.

    An image's score for a phrase is logmeanexp over its boxes of cosine / temperature, so that an
    image gains nothing from having more boxes. The cosine is the one that scores boxes.

    Args:
        phrase_embeddings: unit vectors, float (B, P, D).
        box_embeddings: unit vectors, float (B, R, D).
        phrase_mask: True = real, bool (B, P).
        box_mask: True = real, bool (B, R).
        negatives: True where an image is a negative of a phrase, bool (B, P, B).
        temperature: > 0.

    Returns:
        Mean over the real phrases whose image has a box, a scalar; 0 if there are none.
    """
    scores = image_scores(phrase_embeddings, box_embeddings, box_mask, temperature)  # (B, P, B)
    num_images, num_phrases = phrase_mask.shape
    own = torch.eye(num_images, dtype=torch.bool, device=scores.device)[:, None]  # (B, 1, B)
    has_boxes = box_mask.any(-1)  # (B,)
    scores = scores.masked_fill(~(own | negatives), torch.finfo(scores.dtype).min)
    targets = torch.arange(num_images, device=scores.device)[:, None].expand(-1, num_phrases)
    losses = F.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="none")
    real = (phrase_mask & has_boxes[:, None]).flatten()
    return (losses * real).sum() / real.sum().clamp(min=1)


def matching_loss(
    phrase_embeddings: Tensor,
    box_embeddings: Tensor,
    box_probs: Tensor,
    phrase_mask: Tensor,
    negatives: Tensor,
    temperature: float,
) -> Tensor:
    """Return the cross-entropy of phrases and attended boxes choosing each other.

    A phrase's attended box is the mean of its image's box embeddings under its probabilities. Its
    negatives are the attended boxes of the phrases of negative images, and the reverse (the
    contrast of arXiv 2006.09920, with the phrase as a whole). The probabilities include prior and
    CAM, so the embeddings learn from plausible boxes before they can score boxes themselves.

    Args:
        phrase_embeddings: unit vectors, float (B, P, D).
        box_embeddings: unit vectors, float (B, R, D).
        box_probs: float (B, P, R); all 0 for a phrase whose image has no box.
        phrase_mask: True = real, bool (B, P).
        negatives: True where an image is a negative of a phrase, bool (B, P, B).
        temperature: > 0.

    Returns:
        Mean over the real phrases whose image has a box, a scalar; 0 if there are none.
    """
    num_phrases = phrase_mask.shape[1]
    real = (phrase_mask & (box_probs.detach().sum(-1) > 0)).flatten()  # (N,), N = B P
    attended = F.normalize(box_probs.float() @ box_embeddings.float(), dim=-1)  # (B, P, D)
    sims = phrase_embeddings.float().flatten(0, 1) @ attended.flatten(0, 1).T  # (N, N)
    against = negatives.flatten(0, 1).repeat_interleave(num_phrases, dim=1) & real
    itself = torch.eye(len(real), dtype=torch.bool, device=sims.device)
    floor = torch.finfo(sims.dtype).min
    logits = (sims / temperature).masked_fill(~(against | itself), floor)
    back = (sims.T / temperature).masked_fill(~(against | itself), floor)
    targets = torch.arange(len(real), device=sims.device)
    losses = F.cross_entropy(logits, targets, reduction="none")
    losses = (losses + F.cross_entropy(back, targets, reduction="none")) / 2
    return (losses * real).sum() / real.sum().clamp(min=1)


def image_scores(
    phrase_embeddings: Tensor, box_embeddings: Tensor, box_mask: Tensor, temperature: float
) -> Tensor:
    """Return the score of every image for every phrase, logmeanexp over the image's boxes.

    Arguments as in `contrastive_loss`.

    Returns:
        float32 (B, P, B); the lowest float for an image without boxes.
    """
    sims = torch.einsum("bpd,ird->bpir", phrase_embeddings.float(), box_embeddings.float())
    logits = (sims / temperature).masked_fill(~box_mask, torch.finfo(sims.dtype).min)
    padding = logits.new_full((*logits.shape[:-1], 1), torch.finfo(sims.dtype).min)
    counts = box_mask.sum(-1).clamp(min=1).log()  # (B,)
    return torch.cat([logits, padding], dim=-1).logsumexp(-1) - counts


def negative_mask(token_ids: Tensor, token_mask: Tensor, phrase_mask: Tensor) -> Tensor:
    """Return which images are negatives of each phrase, bool (B, P, B).

    An image with the very same phrase may show what the phrase means, so it is no negative. One
    with the same noun alone is: the model has to learn to tell a red dog from a black one.

    Args:
        token_ids: i64 (B, P, T).
        token_mask: True = real, bool (B, P, T).
        phrase_mask: True = real, bool (B, P).
    """
    texts = (token_ids * token_mask).flatten(0, 1)  # (B P, T)
    _, text_ids = texts.unique(dim=0, return_inverse=True)  # (B P,)
    text_ids = text_ids.view(phrase_mask.shape)  # (B, P)
    same = text_ids[:, :, None, None] == text_ids  # (B, P, B, P)
    return ~(same & phrase_mask).any(-1)
