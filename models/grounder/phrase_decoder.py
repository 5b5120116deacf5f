"""Reconstruct the phrase from the proposal that the scores attend to.

Shapes: B images, P phrases, R proposals, U channels of a proposal, W words with the closing
<eos>, V words of the vocabulary, H decoder channels.
"""

import torch
from torch import Tensor, nn

from models.grounder.config import GrounderConfig


class PhraseDecoder(nn.Module):
    """A teacher-forced LSTM whose first input is the attended proposal.

    It sees the phrase only through the attention over boxes and through the preceding words: its
    word embeddings are its own and have no context, so that no later word leaks in.
    """

    def __init__(self, num_words: int, config: GrounderConfig) -> None:
        super().__init__()
        dim = config.decoder_dim
        self.start = nn.Linear(config.proposal_dim, dim)
        self.words = nn.Embedding(num_words, dim)
        self.lstm = nn.LSTM(dim, dim, batch_first=True)
        self.vocabulary = nn.Linear(dim, num_words)

    def forward(self, attended: Tensor, word_ids: Tensor) -> Tensor:
        """Return the logits of every word, given the words before it.

        Args:
            attended: z, the attended proposal of every phrase, float (B, P, U).
            word_ids: the phrase, i64 (B, P, W); every phrase ends with <eos>, then padding.

        Returns:
            float (B, P, W, V), for word 1 to <eos>.
        """
        start = self.start(attended)[:, :, None]  # (B, P, 1, H)
        previous = self.words(word_ids[..., :-1])  # (B, P, W - 1, H)
        inputs = torch.cat([start.float(), previous], dim=2).flatten(0, 1)
        with torch.autocast(inputs.device.type, enabled=False):  # not every CPU has it in bfloat16
            states, _ = self.lstm(inputs)  # (B P, W, H)
        return self.vocabulary(states).unflatten(0, word_ids.shape[:2])


def attended_proposal(box_probs: Tensor, proposals: Tensor) -> Tensor:
    """Return z = sum_m a_m u_m, float (B, P, U), of weights (B, P, R) and features (B, R, U)."""
    return box_probs @ proposals
