from dataclasses import fields, replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models
from torchvision.ops import Permute

from models.layers.masking import (
    ConvNorm,
    MaskedGroupNorm,
    PaddingBlinds,
    cells_of,
    content_boxes_xyxy,
    valid_span,
)
from tests.models.grounder.tiny_grounder import B, R, TinyNetwork, W, tiny_grounder, tiny_inputs


def test_a_cell_is_real_if_one_of_its_pixels_is():
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, 5, 2] = True
    expected = torch.tensor([[[False, False], [True, False]]])
    assert cells_of(mask, torch.zeros(1, 3, 2, 2)).equal(expected)


def test_a_span_is_the_first_and_last_real_cell_or_all():
    mask = torch.tensor([[False, True, True, False, False], [False] * 5])
    assert [end.tolist() for end in valid_span(mask)] == [[1, 0], [2, 4]]


def test_a_frame_is_where_the_image_lies():
    mask = torch.zeros(2, 11, 11, dtype=torch.bool)
    mask[0, 2:9, 3:5] = True
    assert content_boxes_xyxy(mask).tolist() == [[3, 2, 5, 9], [0, 0, 11, 11]]


def test_groups_are_as_many_as_divide():
    assert [MaskedGroupNorm(c).num_groups for c in (12, 128, 256, 48)] == [4, 32, 32, 16]


def test_the_norm_of_an_image_is_torchs_norm_of_its_real_part():
    torch.manual_seed(0)
    norm, maps = MaskedGroupNorm(6), torch.randn(3, 6, 7, 5) * 3 + 2
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    mask = torch.zeros(3, 7, 5, dtype=torch.bool)
    parts = [(slice(1, 6), slice(0, 3)), (slice(0, 2), slice(2, 5)), (slice(3, 4), slice(4, 5))]
    for image, part in enumerate(parts):
        mask[image][part] = True
    found = norm(maps, mask)
    for image, part in enumerate(parts):
        alone = maps[image : image + 1, :, part[0], part[1]]
        expected = F.group_norm(alone, norm.num_groups, norm.weight, norm.bias)
        torch.testing.assert_close(found[image, :, part[0], part[1]], expected[0])
    assert found.permute(0, 2, 3, 1)[~mask].eq(0).all()


def test_an_image_of_padding_alone_is_zero():
    maps, nothing = torch.randn(1, 6, 3, 2), torch.zeros(1, 3, 2, dtype=torch.bool)
    assert ConvNorm(6, 4, kernel=3)(maps, nothing).eq(0).all()


@pytest.mark.parametrize("arch", ["resnet18", "mobilenet_v2"])
def test_a_network_behind_blinds_does_as_if_there_were_no_padding(arch):
    torch.manual_seed(0)
    network = getattr(models, arch)(weights=None).eval()
    trunk = (
        nn.Sequential(*list(network.children())[:-2]) if arch == "resnet18" else network.features
    )
    blinds = PaddingBlinds(_Named(trunk))
    images = torch.rand(1, 3, 96, 64)
    padded = F.pad(images, (0, 64, 0, 96), value=7.0)
    mask = F.pad(torch.ones(1, 96, 64, dtype=torch.bool), (0, 64, 0, 96))
    with torch.no_grad():
        alone = blinds(images, torch.ones(1, 96, 64, dtype=torch.bool))["maps"]
        seen = blinds(padded, mask)["maps"]
        torch.testing.assert_close(blinds.network(images)["maps"], alone)  # as without blinds
    torch.testing.assert_close(seen[:, :, :3, :2], alone, rtol=1e-4, atol=1e-5)
    assert seen[:, :, 3:].eq(0).all()
    assert seen[:, :, :, 2:].eq(0).all()


@pytest.mark.parametrize("kernel_hw", [(1, 3), (3, 1)])
def test_a_window_may_be_wide_along_one_axis(kernel_hw):
    layer = nn.Conv2d(2, 3, kernel_hw, padding="same")
    images = F.pad(torch.rand(1, 2, 5, 7), (1, 1, 1, 1), value=7.0)
    mask = F.pad(torch.ones(1, 5, 7, dtype=torch.bool), (1, 1, 1, 1))
    found = PaddingBlinds(_Named(layer))(images, mask)["maps"]
    torch.testing.assert_close(found[..., 1:6, 1:8], layer(images[..., 1:6, 1:8]))


def test_a_layer_of_single_cells_may_have_its_channels_last():
    layers = (Permute([0, 2, 3, 1]), nn.LayerNorm(5), nn.Linear(5, 2), Permute([0, 3, 1, 2]))
    trunk = nn.Sequential(nn.Conv2d(3, 5, 1), *layers)
    images, mask = torch.rand(1, 3, 7, 11), torch.zeros(1, 7, 11, dtype=torch.bool)
    mask[:, 1:4, :9] = True
    found = PaddingBlinds(_Named(trunk))(images, mask)["maps"]
    torch.testing.assert_close(found, trunk(images) * mask)


class _Named(nn.Module):
    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, images):
        return {"maps": self.trunk(images)}


MORE = {  # field: how many entries are added to which of its axes
    "pixels": {"images": (2, 3, 64), "clean_images": (2, 3, 64), "pixel_mask": (1, 2, 64),
               "cams": (3, 4, 2)},
    "proposals": {"boxes_xyxy": (1, 3), "box_mask": (1, 3), "box_scores": (1, 3),
                  "box_labels": (1, 3), "box_is_merged": (1, 3), "box_priors": (2, 3),
                  "box_colours": (2, 3), "anchor_priors": (2, 3), "anchor_colours": (2, 3),
                  "earlier_priors": (3, 3)},
    "nouns": {"cams": (2, 2), "noun_mask": (2, 2), "noun_roles": (2, 2), "noun_classes": (2, 2),
              "noun_confidences": (2, 2)},
    "tokens": {"token_ids": (2, 4), "token_mask": (2, 4)},
    "words": {"word_ids": (2, 3), "word_mask": (2, 3), "place_word_ids": (2, 3)},
}  # fmt: skip
NOISY = {"images", "clean_images", "boxes_xyxy", "box_scores", "box_priors", "box_colours",
         "anchor_priors", "anchor_colours", "earlier_priors"}  # fmt: skip


def _grown(inputs, kind):
    """Return the batch with more padding of one kind: False in masks, noise elsewhere."""
    values = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    for name, (*axes, count) in MORE[kind].items():
        for axis in axes:
            shape = list(values[name].shape)
            shape[axis] = count
            filler = torch.zeros(shape, dtype=values[name].dtype)
            if name in NOISY:
                filler = torch.rand(shape)
            values[name] = torch.cat([values[name], filler], dim=axis)
    return replace(inputs, **values)


def _batch():
    """Return a batch on squares of 96 px."""
    inputs = tiny_inputs()
    mask = torch.zeros(B, 96, 96, dtype=torch.bool)
    mask[0, :83, :61], mask[1, :53] = True, True
    images = torch.rand(B, 3, 96, 96)
    return replace(inputs, images=images, clean_images=images, pixel_mask=mask)


@pytest.mark.parametrize("kind", MORE)
@pytest.mark.parametrize(
    ("network", "changes"),
    [
        (TinyNetwork, {"head": "reg_token", "fusion": "single"}),
        (TinyNetwork, {"head": "per_proposal", "cam_nouns": "all"}),
        (lambda: models.resnet18(weights=None), {"head": "reg_token"}),
    ],
)
def test_more_padding_changes_no_output(kind, network, changes):
    grounder, inputs = tiny_grounder(network=network, **changes).eval(), _batch()
    with torch.no_grad():
        before, after = grounder(inputs), grounder(_grown(inputs, kind))
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(after.box_probs[..., :R], before.box_probs, **close)
    for name in ("pred_boxes_xyxy", "refined_boxes_xyxy"):  # pixels of a square of 96
        found, expected = getattr(after, name) / 96, getattr(before, name) / 96
        torch.testing.assert_close(found, expected, **close)
    maps = after.attention_maps[:, :, :2, :3, :3]
    torch.testing.assert_close(maps, before.attention_maps, **close)
    torch.testing.assert_close(after.attended, before.attended, **close)
    words = after.reconstruction_logits[:, :, :W]
    torch.testing.assert_close(words, before.reconstruction_logits, **close)


def test_a_convolution_has_a_bias_unless_it_is_left_out():
    assert ConvNorm(3, 5, 1).conv.bias is not None
    assert ConvNorm(3, 5, 1, bias=False).conv.bias is None


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_keeps_the_grid(kernel):
    maps, mask = torch.rand(1, 3, 7, 11), torch.ones(1, 7, 11, dtype=torch.bool)
    assert ConvNorm(3, 5, kernel)(maps, mask).shape == (1, 5, 7, 11)
