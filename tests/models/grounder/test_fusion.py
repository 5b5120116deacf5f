import pytest
import torch

from models.grounder.encoders.visual_encoder import LevelMap
from models.grounder.fusion import Fusion, FusionBranch
from models.layers.attention import LayerSizes, TokenSet
from models.layers.position_embedding import grid_position_embedding, sequence_position_embedding
from tests.models.grounder.tiny_grounder import tiny_config

B, P, T, X, C, D = 2, 3, 5, 7, 11, 12
SIZES = LayerSizes(dim=D, heads=3, ffn_dim=17, dropout=0.0)


def _fusion(kind="concat", reg_token="learned", num_layers=2, cam="mine"):
    torch.manual_seed(0)
    changes = {"fusion": kind, "fusion_layers": num_layers, "reg_token": reg_token, "cam": cam}
    return Fusion(C, tiny_config(levels="3+5", **changes))


def _inputs():
    torch.manual_seed(1)
    levels = tuple(
        LevelMap(torch.randn(B, D, h, w), torch.rand(B, h, w) > 0.3) for h, w in ((5, 7), (2, 3))
    )
    words = TokenSet(torch.randn(B, P, T, C), torch.rand(B, P, T) > 0.3)
    cams = TokenSet(torch.randn(B, P, X, D), torch.rand(B, P, X) > 0.3)
    return levels, words, cams, torch.randn(B, P, D)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_reading_shared_cells_and_the_reg_row_alone_equal_computing_every_row(num_layers):
    torch.manual_seed(0)
    branch = FusionBranch(SIZES, num_layers)
    shared = TokenSet(torch.randn(B, 1, 13, D), torch.rand(B, 1, 13) > 0.3)
    own = TokenSet(torch.randn(B, P, T, D), torch.rand(B, P, T) > 0.3)
    own.mask[..., -1] = True
    image, phrase = 1, 2
    tokens = torch.cat([shared.tokens[image], own.tokens[image, phrase][None]], dim=1)
    mask = torch.cat([shared.mask[image], own.mask[image, phrase][None]], dim=1)
    full = branch.project(tokens)
    for layer in branch.layers:
        full = layer(full, mask)
    torch.testing.assert_close(branch(shared, own)[image, phrase], full[0, -1])


@pytest.mark.parametrize(
    ("kind", "branches", "channels"),
    [
        ("single", 1, D),
        ("conv1x1", 2, D),
        ("concat", 2, 2 * D),
    ],
)
def test_each_kind_has_its_branches_and_its_width(kind, branches, channels):
    fusion = _fusion(kind)
    assert (len(fusion.branches), fusion.out_dim) == (branches, channels)
    assert fusion(*_inputs()).shape == (B, P, channels)


def test_conv1x1_is_a_weighted_sum_of_what_concat_puts_side_by_side():
    mixed, apart = _fusion("conv1x1"), _fusion("concat")
    apart.load_state_dict(mixed.state_dict(), strict=False)
    first, second = apart(*_inputs()).chunk(2, dim=-1)
    weight = mixed.mix.weight[0]
    expected = first * weight[0] + second * weight[1] + mixed.mix.bias
    torch.testing.assert_close(mixed(*_inputs()), expected)


def test_padding_of_every_modality_is_inert():
    levels, words, cams, phrases = _inputs()
    fusion = _fusion()
    level = levels[0]
    noise = torch.where(level.cell_mask[:, None], level.features, torch.tensor(99.0))
    changed = (
        (LevelMap(noise, level.cell_mask), levels[1]),
        TokenSet(torch.where(words.mask[..., None], words.tokens, torch.tensor(99.0)), words.mask),
        TokenSet(torch.where(cams.mask[..., None], cams.tokens, torch.tensor(99.0)), cams.mask),
        phrases,
    )
    torch.testing.assert_close(fusion(*changed), fusion(levels, words, cams, phrases))


@pytest.mark.parametrize("kind", ["single", "conv1x1", "concat"])
def test_phrases_share_their_image_and_nothing_else(kind):
    levels, words, cams, phrases = _inputs()
    fusion = _fusion(kind)
    alone = fusion(
        levels,
        TokenSet(words.tokens[:, 1:2], words.mask[:, 1:2]),
        TokenSet(cams.tokens[:, 1:2], cams.mask[:, 1:2]),
        phrases[:, 1:2],
    )
    torch.testing.assert_close(fusion(levels, words, cams, phrases)[:, 1:2], alone)


@pytest.mark.parametrize("modality", ["visual", "words", "cams"])
def test_every_modality_is_read(modality):
    levels, words, cams, phrases = _inputs()
    changed = {
        "visual": ((LevelMap(levels[0].features + 1, levels[0].cell_mask), levels[1]), words, cams),
        "words": (levels, TokenSet(words.tokens + 1, words.mask), cams),
        "cams": (levels, words, TokenSet(cams.tokens + 1, cams.mask)),
    }[modality]
    fusion = _fusion()
    before = fusion(levels, words, cams, phrases)
    assert not fusion(*changed, phrases).allclose(before, atol=1e-4)


def test_cams_that_are_off_are_not_read():
    levels, words, cams, phrases = _inputs()
    fusion, other = _fusion(cam="off"), TokenSet(cams.tokens + 1, ~cams.mask)
    before = fusion(levels, words, cams, phrases)
    assert before.equal(fusion(levels, words, other, phrases))


def test_cells_and_words_are_read_with_their_places_and_the_phrase_asks_last():
    levels, words, cams, phrases = _inputs()
    fusion, one = _fusion(reg_token="phrase"), (slice(1, 2), slice(2, 3))  # a phrase of image 1
    places = sequence_position_embedding(T, D, torch.device("cpu"))
    reg = fusion.reg + fusion.ask(phrases[one])
    spoken = [fusion.language(words.tokens[one]) + places, fusion.cam(cams.tokens[one])]
    masks = [words.mask[one], cams.mask[one], torch.ones(1, 1, 1, dtype=torch.bool)]
    own = TokenSet(torch.cat([*spoken, reg[:, :, None]], dim=2), torch.cat(masks, dim=2))
    states = []
    for branch, level in zip(fusion.branches, levels, strict=True):
        places = grid_position_embedding(level.cell_mask[1:2], D)
        cells = fusion.visual(level.features[1].flatten(1).T) + places[0].flatten(1).T
        mask = level.cell_mask[1].flatten()
        states.append(branch(TokenSet(cells[None, None], mask[None, None]), own))
    torch.testing.assert_close(fusion(levels, words, cams, phrases)[one], torch.cat(states, -1))


def test_where_a_cell_lies_matters():
    levels, words, cams, phrases = _inputs()
    whole = [LevelMap(level.features, torch.ones_like(level.cell_mask)) for level in levels]
    turned = tuple(LevelMap(level.features.flip(-1), level.cell_mask) for level in whole)
    fusion = _fusion()
    before = fusion(tuple(whole), words, cams, phrases)
    assert not fusion(turned, words, cams, phrases).allclose(before, atol=1e-4)


def test_the_order_of_words_matters():
    levels, words, cams, phrases = _inputs()
    fusion, everything = _fusion(), torch.ones_like(words.mask)
    forwards = fusion(levels, TokenSet(words.tokens, everything), cams, phrases)
    backwards = fusion(levels, TokenSet(words.tokens.flip(2), everything), cams, phrases)
    assert not forwards.allclose(backwards, atol=1e-4)


@pytest.mark.parametrize(("reg_token", "asks"), [("learned", False), ("phrase", True)])
def test_the_reg_token_asks_with_the_phrase_only_if_told_to(reg_token, asks):
    levels, words, cams, phrases = _inputs()
    fusion = _fusion(reg_token=reg_token)
    before = fusion(levels, words, cams, phrases)
    assert fusion(levels, words, cams, phrases + 1).allclose(before) != asks
