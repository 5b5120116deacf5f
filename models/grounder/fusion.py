"""Fuse image, phrase and CAMs in a [REG] token, with one attention branch per visual level.

Shapes: B images, P phrases, N = B P, T word pieces, X CAM tokens, V visual tokens of a branch,
L = V + T + X + 1, D channels, G channels of the fused state.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.grounder.config import GrounderConfig, parse_levels
from models.grounder.encoders.visual_encoder import LevelMap
from models.layers.attention import EncoderLayer, LayerSizes, TokenSet
from models.layers.position_embedding import grid_position_embedding, sequence_position_embedding


class FusionBranch(nn.Module):
    """Encoder layers over visual and phrase tokens; the last one computes [REG] alone."""

    def __init__(self, sizes: LayerSizes, num_layers: int) -> None:
        super().__init__()
        self.project = nn.Linear(sizes.dim, sizes.dim)
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(num_layers))

    def forward(self, shared: TokenSet, own: TokenSet) -> Tensor:
        """Return the state of each phrase's last token, [REG], float (B, P, D).

        Args:
            shared: tokens of the image, shared by its phrases, (B, 1, V, D).
            own: tokens of each phrase, the last one real, (B, P, L, D).
        """
        shared, own = (replace(part, tokens=self.project(part.tokens)) for part in (shared, own))
        if len(self.layers) == 1:
            return self.layers[0].read_shared(own.tokens[:, :, -1], shared, own)  # type: ignore[operator]
        joined = join([_with_phrases(shared, own.mask.shape[1]), own])
        tokens, mask = joined.tokens.flatten(0, 1), joined.mask.flatten(0, 1)  # (N, V + L, D)
        for layer in self.layers[:-1]:
            tokens = layer(tokens, mask)
        last = self.layers[-1](tokens, mask, rows=tokens[:, -1:])[:, 0]  # (N, D)
        return last.unflatten(0, own.mask.shape[:2])


class Fusion(nn.Module):
    """The multi-modality fusion module (paper, section 3.4).

    `config.fusion`: `single` is one branch over all visual levels; the others have one branch per
    level, whose states `conv1x1` sums with learned weights and `concat` concatenates.
    `config.reg_token`: `learned` starts every phrase from one embedding, as in the paper; `phrase`
    adds the phrase's embedding, so that already the first layer attends by it. CAM tokens are left
    out where `config.cam` is `off`.

    Args:
        language_dim: channels of the language encoder.
        config: of the grounder.
    """

    def __init__(self, language_dim: int, config: GrounderConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        sizes = LayerSizes(dim, config.heads, config.ffn_dim, config.dropout)
        branches = 1 if config.fusion == "single" else len(parse_levels(config.levels))
        self.branches = nn.ModuleList(
            FusionBranch(sizes, config.fusion_layers) for _ in range(branches)
        )
        self.mix = nn.Linear(branches, 1) if config.fusion == "conv1x1" else None
        self.visual = nn.Linear(dim, dim)
        self.language = nn.Linear(language_dim, dim)
        self.cam = nn.Linear(dim, dim) if config.cam != "off" else None
        self.reg = nn.Parameter(torch.randn(dim) * 0.02)
        self.ask = nn.Linear(dim, dim) if config.reg_token == "phrase" else None
        self.out_dim = dim * (branches if config.fusion == "concat" else 1)

    def forward(
        self,
        levels: tuple[LevelMap, ...],
        language: TokenSet,
        cams: TokenSet,
        phrase_embeddings: Tensor,
    ) -> Tensor:
        """Return the fused state of every phrase.

        Args:
            levels: encoded levels, float (B, D, h, w) each.
            language: states of the language encoder, float (B, P, T, C).
            cams: encoded CAM cells, float (B, P, X, D); not read where `config.cam` is `off`.
            phrase_embeddings: one vector per phrase, float (B, P, D).

        Returns:
            float (B, P, G).
        """
        own = self._own_tokens(language, cams, phrase_embeddings)
        visual = [self._visual_tokens(level) for level in levels]
        if len(self.branches) < len(visual):
            visual = [join(visual)]
        states = [
            branch(shared, own) for branch, shared in zip(self.branches, visual, strict=True)
        ]  # (B, P, D) each
        if self.mix is not None:
            return self.mix(torch.stack(states, dim=-1))[..., 0]
        return torch.cat(states, dim=-1)  # (B, P, G)

    def _visual_tokens(self, level: LevelMap) -> TokenSet:
        """Return an image's cells as tokens with positions, float (B, 1, V, D)."""
        tokens = self.visual(level.features.permute(0, 2, 3, 1))  # (B, h, w, D)
        places = grid_position_embedding(level.cell_mask, tokens.shape[-1]).permute(0, 2, 3, 1)
        return TokenSet(
            (tokens + places).flatten(1, 2)[:, None], level.cell_mask.flatten(1)[:, None]
        )

    def _own_tokens(
        self, language: TokenSet, cams: TokenSet, phrase_embeddings: Tensor
    ) -> TokenSet:
        """Return the tokens of each phrase: words, CAM cells, and [REG] last."""
        words = self.language(language.tokens)  # (B, P, T, D)
        places = sequence_position_embedding(words.shape[2], words.shape[3], words.device)
        reg = self.reg.expand_as(phrase_embeddings)
        if self.ask is not None:
            reg = reg + self.ask(phrase_embeddings)
        parts = [TokenSet(words + places, language.mask)]
        if self.cam is not None:
            parts.append(TokenSet(self.cam(cams.tokens), cams.mask))
        always = torch.ones_like(language.mask[..., :1])
        return join([*parts, TokenSet(reg[:, :, None], always)])


def join(parts: list[TokenSet]) -> TokenSet:
    """Concatenate token sets of the same phrases, (B, P, sum of L, D)."""
    return TokenSet(
        torch.cat([part.tokens for part in parts], dim=2),
        torch.cat([part.mask for part in parts], dim=2),
    )


def _with_phrases(shared: TokenSet, num_phrases: int) -> TokenSet:
    """Give the tokens of an image, (B, 1, V, D), to each of its phrases, without copying."""
    return TokenSet(
        shared.tokens.expand(-1, num_phrases, -1, -1), shared.mask.expand(-1, num_phrases, -1)
    )
