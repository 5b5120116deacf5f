import pytest
import torch
from torchvision.models import resnet

from models.grounder.encoders.cam_encoder import Bottleneck, CamEncoder, no_cams
from models.grounder.encoders.visual_encoder import LevelMap
from models.layers.position_embedding import grid_position_embedding
from tests.models.grounder.tiny_grounder import tiny_config

B, P, K, C, D, H, W = 2, 3, 2, 7, 12, 5, 3


def _inputs():
    torch.manual_seed(0)
    cell_mask = torch.ones(B, H, W, dtype=torch.bool)
    cell_mask[1, 4:] = False
    noun_mask = torch.ones(B, P, K, dtype=torch.bool)
    noun_mask[0, 2, 1] = False
    roles = torch.tensor([0, 1]).expand(B, P, K)
    deepest = LevelMap(torch.randn(B, C, H, W), cell_mask)
    return deepest, torch.rand(B, P, K, H, W), noun_mask, roles


def _encoder(reads="both"):
    torch.manual_seed(0)
    return CamEncoder(C, tiny_config(embed_dim=D, cam_input=reads, cam_blocks=2))


def test_at_first_the_attention_map_is_the_clipped_raw_map():
    deepest, cams, noun_mask, roles = _inputs()
    cams[0, 0, 0, 0] = torch.tensor([0.0, 0.5, 1.0])
    encoding = _encoder()(deepest, cams, noun_mask, roles)
    first = torch.tensor([0.02, 0.5, 0.98])
    torch.testing.assert_close(encoding.attention_maps[0, 0, 0, 0], first)
    torch.testing.assert_close(encoding.raw_maps[0, 0, 0, 0], first)
    torch.testing.assert_close(encoding.attention_maps, encoding.raw_maps)


def test_the_encoder_moves_a_logit_by_four_at_most():
    deepest, cams, noun_mask, roles = _inputs()
    encoder = _encoder()
    torch.nn.init.constant_(encoder.shift.bias, 1e3)
    maps = encoder(deepest, cams, noun_mask, roles).attention_maps
    expected = torch.sigmoid(torch.logit(cams[0, 1, 0].clamp(0.02, 0.98)) + 4)
    torch.testing.assert_close(maps[0, 1, 0], expected)


def test_padding_and_missing_nouns_attend_to_nothing():
    encoding = _encoder()(*_inputs())
    assert encoding.attention_maps[1, :, :, 4].eq(0).all()
    assert encoding.attention_maps[0, 2, 1].eq(0).all()
    assert encoding.attention_maps[1, :, :, :4].gt(0).all()
    assert encoding.raw_maps[1, :, :, 4].eq(0).all()
    assert encoding.raw_maps[0, 2, 1].eq(0).all()


def test_a_token_without_content_is_its_place_and_its_role():
    deepest, cams, noun_mask, roles = _inputs()
    encoder = _encoder()
    torch.nn.init.zeros_(encoder.widen.weight)
    torch.nn.init.zeros_(encoder.widen.bias)
    tokens = encoder(deepest, cams, noun_mask, roles).tokens.view(B, P, K, H, W, D)
    places = grid_position_embedding(deepest.cell_mask, D).permute(0, 2, 3, 1)  # (B, H, W, D)
    expected = places[:, None, None] + encoder.role.weight[:, None, None]
    torch.testing.assert_close(tokens, expected.expand_as(tokens))


def test_the_content_of_a_token_has_gone_through_every_block():
    deepest, cams, noun_mask, roles = _inputs()
    encoder, cells = _encoder("map"), deepest.cell_mask[:1]
    tokens = encoder(deepest, cams, noun_mask, roles).tokens.view(B, P, K, H, W, D)
    content = encoder.widen(cams[:1, 1, :1])
    for block in encoder.blocks:
        content = block(content, cells)
    expected = content + grid_position_embedding(cells, D)
    expected = expected[0].permute(1, 2, 0) + encoder.role.weight[0]
    torch.testing.assert_close(tokens[0, 1, 0], expected)


def test_a_noun_with_an_all_zero_map_counts_as_missing():
    deepest, cams, noun_mask, roles = _inputs()
    cams[1, 1, 0] = 0
    encoding = _encoder()(deepest, cams, noun_mask, roles)
    expected = noun_mask.clone()
    expected[1, 1, 0] = False
    assert encoding.map_mask.equal(expected)


def test_tokens_are_masked_by_noun_and_by_cell_in_noun_major_order():
    encoding = _encoder()(*_inputs())
    mask = encoding.token_mask.view(B, P, K, H, W)
    assert not mask[0, 2, 1].any()
    assert mask[1, 0, 0].equal(encoding.cell_mask[1])


def test_context_and_head_nouns_give_different_tokens():
    deepest, cams, noun_mask, roles = _inputs()
    encoder = _encoder()
    gap = (
        encoder(deepest, cams, noun_mask, 1 - roles).tokens
        - encoder(deepest, cams, noun_mask, roles).tokens
    )
    first = (encoder.role.weight[1] - encoder.role.weight[0]).expand(H * W, D)
    torch.testing.assert_close(gap[0, 0, : H * W], first)


def test_nouns_do_not_see_each_other():
    deepest, cams, noun_mask, roles = _inputs()
    encoder = _encoder()
    torch.nn.init.normal_(encoder.shift.weight)
    alone = encoder(deepest, cams[:, 1:2, :1], noun_mask[:, 1:2, :1], roles[:, 1:2, :1])
    together = encoder(deepest, cams, noun_mask, roles)
    torch.testing.assert_close(together.attention_maps[:, 1, 0], alone.attention_maps[:, 0, 0])


@pytest.mark.parametrize(
    ("reads", "sees_map", "sees_image"),
    [
        ("map", True, False),
        ("feature", False, True),
        ("both", True, True),
    ],
)
def test_each_input_is_read_when_it_should_be(reads, sees_map, sees_image):
    deepest, cams, noun_mask, roles = _inputs()
    encoder = _encoder(reads)
    tokens = encoder(deepest, cams, noun_mask, roles).tokens
    other_map = encoder(deepest, cams.flip(-1), noun_mask, roles).tokens
    other_image = LevelMap(deepest.features.flip(-1), deepest.cell_mask)
    assert tokens.allclose(other_map) != sees_map
    assert tokens.allclose(encoder(other_image, cams, noun_mask, roles).tokens) != sees_image


def test_nothing_flows_back_to_the_visual_encoder_or_the_raw_map():
    deepest, cams, noun_mask, roles = _inputs()
    deepest.features.requires_grad_()
    cams.requires_grad_()
    _encoder()(deepest, cams, noun_mask, roles).tokens.sum().backward()
    assert deepest.features.grad is None
    assert cams.grad is None


def test_a_batch_without_nouns_gives_no_tokens():
    deepest, cams, noun_mask, roles = _inputs()
    encoding = _encoder()(deepest, cams[:, :, :0], noun_mask[:, :, :0], roles[:, :, :0])
    assert encoding.tokens.shape == (B, P, 0, D)
    assert encoding.attention_maps.shape == (B, P, 0, H, W)
    without = no_cams(deepest, torch.ones(B, P, dtype=torch.bool), D)
    for name, value in vars(encoding).items():
        torch.testing.assert_close(getattr(without, name), value)


def test_a_map_of_another_grid_is_resized():
    deepest, _, noun_mask, roles = _inputs()
    cams = torch.full((B, P, K, 2, 2), 0.3)
    maps = _encoder()(deepest, cams, noun_mask, roles).attention_maps
    torch.testing.assert_close(maps[0, 0, 0], torch.full((H, W), 0.3))
    cams[0, 1, 1] = torch.tensor([[0.2, 0.2], [0.7, 0.7]])
    maps = _encoder()(deepest, cams, noun_mask, roles).attention_maps
    rows = torch.tensor([0.2, 0.25, 0.45, 0.65, 0.7])  # centres of two cells, seen from five
    torch.testing.assert_close(maps[0, 1, 1], rows[:, None].expand(H, W))


def test_a_block_adds_three_convolutions_to_what_it_is_given():
    torch.manual_seed(0)
    block, maps = Bottleneck(12), torch.randn(2, 12, 5, 7)
    torchvisions = sorted(weight.shape for weight in resnet.Bottleneck(12, 3).parameters())
    assert sorted(weight.shape for weight in block.parameters()) == torchvisions
    mask = torch.ones(2, 5, 7, dtype=torch.bool)
    inner = maps
    for layer in (block.conv1, block.conv2):
        inner = torch.nn.functional.group_norm(layer.conv(inner), layer.norm.num_groups).relu()
    added = torch.nn.functional.group_norm(block.conv3.conv(inner), block.conv3.norm.num_groups)
    torch.testing.assert_close(block(maps, mask), (maps + added).relu(), rtol=1e-4, atol=1e-5)
