from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.layers.attention import (
    EncoderLayer,
    GridEncoder,
    LayerSizes,
    MultiHeadAttention,
    TokenSet,
)
from tests.oracles import model_loops as loops

N, Q, L, D, HEADS = 2, 3, 5, 12, 3
SIZES = LayerSizes(dim=D, heads=HEADS, ffn_dim=17, dropout=0.0)


def _tokens(seed=0):
    torch.manual_seed(seed)
    mask = torch.tensor([[True, False, True, True, False], [True, True, True, False, True]])
    return torch.randn(N, Q, D), torch.randn(N, L, D), mask


def test_attention_equals_a_slow_loop():
    rows, tokens, mask = _tokens()
    layer = MultiHeadAttention(D, HEADS, dropout=0.0)
    query = layer.query(rows)[1].detach().double().numpy()
    key, value = (
        layer.key_value(tokens)[1].detach().double().numpy().reshape(L, 2, D).swapaxes(0, 1)
    )
    mixed = loops.attention(query, key, value, mask[1].numpy(), HEADS)
    expected = layer.out(torch.tensor(mixed, dtype=torch.float32))
    torch.testing.assert_close(layer(rows, tokens, mask)[1], expected)


def test_attention_equals_torch_multihead_attention():
    rows, tokens, mask = _tokens()
    ours = MultiHeadAttention(D, HEADS, dropout=0.0)
    theirs = nn.MultiheadAttention(D, HEADS, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    expected, _ = theirs(rows, tokens, tokens, key_padding_mask=~mask)
    torch.testing.assert_close(ours(rows, tokens, mask), expected)


@pytest.mark.parametrize(
    "layer",
    [MultiHeadAttention(D, HEADS, dropout=0.5), EncoderLayer(SIZES)],
    ids=["alone", "layer"],
)
def test_shared_tokens_are_read_as_if_each_phrase_had_a_copy(layer):
    torch.manual_seed(0)
    images, phrases, own_length = 2, 7, 4
    layer.eval()
    rows = torch.randn(images, phrases, D)
    shared = TokenSet(torch.randn(images, 1, L, D), torch.rand(images, 1, L) < 0.6)
    own = TokenSet(
        torch.randn(images, phrases, own_length, D), torch.rand(images, phrases, own_length) < 0.6
    )
    own.mask[..., 0] = True
    tokens = torch.cat([shared.tokens.expand(-1, phrases, -1, -1), own.tokens], 2)
    mask = torch.cat([shared.mask.expand(-1, phrases, -1), own.mask], 2)
    each, read, real = rows.flatten(0, 1)[:, None], tokens.flatten(0, 1), mask.flatten(0, 1)
    copied = layer(read, real, each) if isinstance(layer, EncoderLayer) else layer(each, read, real)
    expected = copied.view(images, phrases, D)
    torch.testing.assert_close(layer.read_shared(rows, shared, own), expected)


def test_dropout_acts_in_training_alone():
    rows, tokens, mask = _tokens()
    layer = MultiHeadAttention(D, HEADS, dropout=0.9)
    shared, own = (
        TokenSet(tokens[:, None], mask[:, None]),
        TokenSet(rows[:, :, None], mask[:, :3, None]),
    )
    for attend in (lambda: layer(rows, tokens, mask), lambda: layer.read_shared(rows, shared, own)):
        assert torch.equal(layer.eval() and attend(), attend())
        assert not torch.equal(layer.train() and attend(), attend())


def test_what_dropout_drops_is_what_a_row_reads_and_not_the_row():
    rows, tokens, mask = _tokens()
    layer = EncoderLayer(replace(SIZES, dropout=1.0)).train()
    shared = TokenSet(tokens[:, None], mask[:, None])
    own = TokenSet(rows[:, :, None], mask[:, :3, None])
    expected = layer.norm_ffn(layer.norm_attention(rows))
    torch.testing.assert_close(layer(tokens, mask, rows), expected)
    torch.testing.assert_close(layer.read_shared(rows, shared, own), expected)


def test_an_encoder_layer_equals_torchs_post_norm_layer():
    _, tokens, mask = _tokens()
    ours = EncoderLayer(SIZES).eval()
    theirs = nn.TransformerEncoderLayer(D, HEADS, 17, 0.0, batch_first=True).train()
    with torch.no_grad():
        for parameter, value in zip(theirs.parameters(), _in_torchs_order(ours), strict=True):
            parameter.copy_(value)
    expected = theirs(tokens, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(tokens, mask), expected)


def _in_torchs_order(layer):
    attention = layer.attention
    yield torch.cat([attention.query.weight, attention.key_value.weight])
    yield torch.cat([attention.query.bias, attention.key_value.bias])
    for part in (attention.out, layer.ffn[0], layer.ffn[3], layer.norm_attention, layer.norm_ffn):
        yield part.weight
        yield part.bias


def test_what_a_padded_token_holds_changes_nothing():
    rows, tokens, mask = _tokens()
    layer = EncoderLayer(SIZES)
    changed = torch.where(mask[..., None], tokens, torch.tensor(1e4))
    torch.testing.assert_close(layer(tokens, mask, rows), layer(changed, mask, rows))


def test_a_sequence_without_a_real_token_reads_them_all():
    rows, tokens, mask = _tokens()
    layer = EncoderLayer(SIZES)
    torch.testing.assert_close(layer(tokens, mask & False, rows), layer(tokens, mask | True, rows))


def test_computing_the_last_row_alone_is_exact():
    _, tokens, mask = _tokens()
    layer = EncoderLayer(SIZES)
    torch.testing.assert_close(layer(tokens, mask, tokens[:, -1:]), layer(tokens, mask)[:, -1:])


def test_a_window_reads_its_own_cells_only():
    torch.manual_seed(0)
    grid = torch.randn(2, D, 6, 8)
    mask = torch.rand(2, 6, 8) > 0.3
    encoder = GridEncoder(SIZES, num_layers=2, window=4)  # 2 x 2 windows from the top left
    whole = GridEncoder(SIZES, num_layers=2, window=0)
    whole.load_state_dict(encoder.state_dict())
    expected = whole(grid[:, :, 4:, :4], mask[:, 4:, :4])
    torch.testing.assert_close(encoder(grid, mask)[:, :, 4:, :4], expected)


def test_windows_that_do_not_divide_the_grid_put_every_cell_back():
    grid = torch.arange(2 * D * 7 * 5.0).view(2, D, 7, 5)
    encoder = GridEncoder(SIZES, num_layers=0, window=3)
    torch.testing.assert_close(encoder(grid, torch.ones(2, 7, 5, dtype=torch.bool)), grid)


@pytest.mark.parametrize(("tall", "wide"), [(3, 5), (5, 3)])
def test_without_windows_cells_are_read_in_row_order(tall, wide):
    torch.manual_seed(0)
    grid, mask = torch.randn(1, D, tall, wide), torch.ones(1, tall, wide, dtype=torch.bool)
    encoder = GridEncoder(SIZES, num_layers=1, window=0)
    tokens = torch.tensor(np.stack([grid[0, :, y, x] for y in range(tall) for x in range(wide)]))
    expected = encoder.layers[0](tokens[None], mask.flatten(1))
    torch.testing.assert_close(encoder(grid, mask)[0, :, 1, 2], expected[0, wide + 2])
