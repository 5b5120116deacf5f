import torch
from torch.nn import functional as F

from models.grounder.encoders.visual_encoder import LevelEncoder, VisualEncoder
from models.layers.attention import LayerSizes
from models.layers.backbone import Backbone
from models.layers.position_embedding import grid_position_embedding
from tests.models.grounder.tiny_grounder import TinyNetwork, tiny_config


def _encoder(levels=(3, 5)):
    torch.manual_seed(0)
    return VisualEncoder(
        Backbone(TinyNetwork(), levels), tiny_config(levels="+".join(map(str, levels)))
    )


def _images():
    torch.manual_seed(1)
    mask = torch.zeros(2, 67, 67, dtype=torch.bool)
    mask[0, :61, :31], mask[1, :23] = True, True
    return torch.rand(2, 3, 67, 67), mask


def test_each_level_has_its_own_grid_at_its_stride():
    visual = _encoder((3, 4, 5))(*_images())
    assert [level.features.shape for level in visual.levels] == [
        (2, 12, 9, 9),
        (2, 12, 5, 5),
        (2, 12, 3, 3),
    ]
    assert visual.deepest.features.shape == (2, 8, 3, 3)


def test_raw_maps_are_the_backbones_of_the_same_cells():
    encoder = _encoder()
    visual, maps = encoder(*_images()), encoder.backbone(*_images())
    for level, raw, encoded in zip((3, 5), visual.raw, visual.levels, strict=True):
        assert raw.features.equal(maps[level])
        assert raw.cell_mask.equal(encoded.cell_mask)
    assert visual.deepest.features.equal(maps[5])
    assert visual.deepest.cell_mask.equal(visual.raw[1].cell_mask)


def test_what_lies_under_padding_changes_nothing():
    images, mask = _images()
    changed = torch.where(mask[:, None], images, torch.tensor(50.0))
    encoder = _encoder()
    first, second = encoder(images, mask), encoder(changed, mask)
    torch.testing.assert_close(second.levels[0].features, first.levels[0].features)
    torch.testing.assert_close(second.deepest.features, first.deepest.features)


def test_an_image_does_not_see_its_neighbours_in_the_batch():
    images, mask = _images()
    encoder = _encoder()
    alone = encoder(images[1:], mask[1:]).levels[1].features
    torch.testing.assert_close(encoder(images, mask).levels[1].features[1:], alone)


def test_only_the_shallowest_level_is_cut_into_windows():
    backbone = Backbone(TinyNetwork(), (3, 4, 5))
    encoder = VisualEncoder(backbone, tiny_config(levels="3+4+5", visual_window=2))
    whole = VisualEncoder(backbone, tiny_config(levels="3+4+5", visual_window=0))
    whole.load_state_dict(encoder.state_dict())
    pairs = zip(encoder(*_images()).levels, whole(*_images()).levels, strict=True)
    assert [torch.equal(cut.features, full.features) for cut, full in pairs] == [False, True, True]


def test_padded_cells_are_zero():
    visual = _encoder()(*_images())
    level = visual.levels[0]
    assert level.features.permute(0, 2, 3, 1)[~level.cell_mask].eq(0).all()
    assert level.features.permute(0, 2, 3, 1)[level.cell_mask].ne(0).any(-1).all()


def test_a_level_is_projected_placed_attended_and_refined():
    torch.manual_seed(2)
    level = LevelEncoder(5, LayerSizes(dim=12, heads=3, ffn_dim=17, dropout=0.0), 1, window=0)
    features, mask = torch.randn(2, 5, 3, 7), torch.ones(2, 3, 7, dtype=torch.bool)

    def normed(layer, maps):
        return F.group_norm(layer.conv(maps), 4, eps=layer.norm.eps)

    placed = normed(level.project, features) + grid_position_embedding(mask, 12)
    tokens = placed.flatten(2).transpose(1, 2)  # (2, 21, 12)
    attended = level.encoder.layers[0](tokens, mask.flatten(1)).transpose(1, 2).view_as(placed)
    expected = level.last(F.gelu(normed(level.refine, placed + attended)))
    torch.testing.assert_close(level(features, mask).features, expected)


def test_every_level_has_the_layers_of_the_pictures_part_of_the_depth():
    config = tiny_config(levels="4+5", depth="2+3")
    levels = VisualEncoder(Backbone(TinyNetwork(), (4, 5)), config).encoders
    assert [len(level.encoder.layers) for level in levels.values()] == [2, 2]
