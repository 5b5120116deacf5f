import numpy as np
import pytest
import torch
from torchvision.ops import roi_align

from models.grounder.encoders.proposal_encoder import ProposalEncoder, box_geometry, mean_roi_align
from models.grounder.encoders.visual_encoder import LevelMap
from tests.models.grounder.tiny_grounder import tiny_config
from tests.oracles import model_loops as loops

B, R, D, H, W, S = 2, 3, 5, 11, 7, 77
LABELS = torch.tensor([[2, 0, 1], [0, 0, 4]])


def _encoder(levels, raw_dims, label_dim=0):
    config = tiny_config(levels=levels, embed_dim=D, proposal_dim=13, label_dim=label_dim)
    return ProposalEncoder(raw_dims, 4, config)


def _boxes():
    return torch.tensor(
        [
            [[3.0, 5.0, 41.0, 70.0], [0.0, 0.0, 77.0, 77.0], [10.0, 60.0, 11.0, 61.0]],
            [[20.5, 1.0, 30.0, 9.0], [70.0, 40.0, 77.0, 77.0], [5.0, 5.0, 5.0, 5.0]],
        ]
    )


def _whole(features):
    return LevelMap(features, torch.ones_like(features[:, 0], dtype=torch.bool))


def test_a_box_at_the_border_of_an_image_reads_no_padding():
    torch.manual_seed(0)
    features = torch.randn(B, D, 11, 11)
    cells = torch.zeros(B, 11, 11, dtype=torch.bool)
    cells[:, 2:9, 3:11] = True  # pixels 21 to 77 and 14 to 63
    boxes = torch.tensor([[[21.0, 14.0, 77.0, 63.0], [40.0, 20.0, 50.0, 63.0]]]).expand(B, -1, -1)
    shifted = boxes - torch.tensor([21.0, 14.0, 21.0, 14.0])
    cut = features[:, :, 2:9, 3:11]
    bins = roi_align(cut, list(shifted), 7, 1 / 7, sampling_ratio=2, aligned=True)
    pooled = mean_roi_align(LevelMap(features, cells), boxes, S)
    torch.testing.assert_close(pooled, bins.mean((-2, -1)).view(B, 2, D))


def test_the_pooled_feature_equals_the_mean_of_torchvisions_roi_align():
    torch.manual_seed(0)
    features = torch.randn(B, D, 11, 11)
    bins = roi_align(features, list(_boxes()), 7, 11 / S, sampling_ratio=2, aligned=True)
    expected = bins.mean((-2, -1)).view(B, R, D)
    torch.testing.assert_close(mean_roi_align(_whole(features), _boxes(), S), expected)


def test_the_pooled_feature_equals_a_slow_loop_on_a_grid_of_unequal_sides():
    torch.manual_seed(0)
    features, box = torch.randn(B, D, H, W), _boxes()[1, 0]
    cells = (box * torch.tensor([W, H, W, H]) / S).tolist()
    expected = loops.mean_roi(features[1, 3].double().numpy(), cells, bins=7, samples=2)
    assert mean_roi_align(_whole(features), _boxes(), S)[1, 0, 3].item() == pytest.approx(
        expected, abs=1e-5
    )


def test_pooling_has_the_gradient_of_roi_align():
    torch.manual_seed(0)
    features = torch.randn(B, D, 11, 11, requires_grad=True)
    mean_roi_align(_whole(features), _boxes(), S).pow(2).sum().backward()
    ours, features.grad = features.grad.clone(), None
    bins = roi_align(features, list(_boxes()), 7, 11 / S, sampling_ratio=2, aligned=True)
    bins.mean((-2, -1)).pow(2).sum().backward()
    torch.testing.assert_close(ours, features.grad)


def test_geometry_is_in_fractions_of_the_real_image():
    mask = torch.zeros(1, 100, 100, dtype=torch.bool)
    mask[0, 7:87, 3:43] = True
    geometry = box_geometry(torch.tensor([[[13.0, 23.0, 37.0, 63.0]]]), mask)
    expected = torch.tensor([0.25, 0.2, 0.85, 0.7, 0.6, 0.5, 0.3])
    torch.testing.assert_close(geometry[0, 0], expected)


@pytest.mark.parametrize("num_boxes", [0, 1, 3])
def test_features_are_finite_and_not_negative_for_any_number_of_boxes(num_boxes):
    torch.manual_seed(0)
    level = LevelMap(torch.randn(B, D, H, W), torch.ones(B, H, W, dtype=torch.bool))
    mask = torch.ones(B, S, S, dtype=torch.bool)
    features = _encoder("3+4", [D])(
        ((level, level), (level,)), _boxes()[:, :num_boxes], LABELS[:, :num_boxes], mask
    )
    assert features.shape == (B, num_boxes, 13)
    assert (features >= 0).all()


def test_a_proposal_does_not_see_the_others():
    torch.manual_seed(0)
    level = LevelMap(torch.randn(B, D, H, W), torch.ones(B, H, W, dtype=torch.bool))
    mask, encoder = torch.ones(B, S, S, dtype=torch.bool), _encoder("3", [D])
    alone = encoder(((level,), (level,)), _boxes()[:, 1:2], LABELS[:, 1:2], mask)
    together = encoder(((level,), (level,)), _boxes(), LABELS, mask)
    torch.testing.assert_close(together[:, 1:2], alone)


def test_the_same_look_at_another_place_is_another_feature():
    torch.manual_seed(0)
    level = LevelMap(torch.ones(1, D, H, W), torch.ones(1, H, W, dtype=torch.bool))
    boxes = torch.tensor([[[0.0, 10.0, 20.0, 30.0], [50.0, 10.0, 70.0, 30.0]]])
    mask = torch.ones(1, S, S, dtype=torch.bool)
    left, right = _encoder("3", [D])(((level,), (level,)), boxes, LABELS[:1, :2], mask)[0]
    assert not np.allclose(left.detach(), right.detach())


def test_the_raw_maps_are_pooled_normalised_and_projected_beside_the_encoded_ones():
    torch.manual_seed(0)
    cells = torch.ones(B, H, W, dtype=torch.bool)
    level = LevelMap(torch.randn(B, D, H, W), cells)
    raw = LevelMap(torch.randn(B, 3, H, W), cells)
    mask, encoder = torch.ones(B, S, S, dtype=torch.bool), _encoder("3", [3])
    pooled = [mean_roi_align(kind, _boxes(), S) for kind in (level, raw)]
    pooled[1] = pooled[1] - pooled[1].mean(-1, keepdim=True)
    pooled[1] = pooled[1] / (pooled[1].pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    columns = torch.cat([*pooled, box_geometry(_boxes(), mask)], dim=-1)
    mixed = columns @ encoder.project.weight.T + encoder.project.bias
    centred = mixed - mixed.mean(-1, keepdim=True)
    expected = (centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(encoder(((level,), (raw,)), _boxes(), LABELS, mask), expected)


def test_a_label_adds_its_row_of_the_table():
    torch.manual_seed(0)
    level = LevelMap(torch.ones(B, D, H, W), torch.ones(B, H, W, dtype=torch.bool))
    boxes, mask = _boxes()[:, :1].expand(-1, R, -1), torch.ones(B, S, S, dtype=torch.bool)
    encoder = _encoder("3", [], label_dim=2)
    found = encoder(((level,), ()), boxes, LABELS, mask)
    plain = torch.cat([mean_roi_align(level, boxes, S), box_geometry(boxes, mask)], dim=-1)
    columns = torch.cat([plain, encoder.label.weight[LABELS]], dim=-1)
    expected = encoder.norm(columns @ encoder.project.weight.T + encoder.project.bias).relu()
    torch.testing.assert_close(found, expected)
    assert not found[0, 0].allclose(found[0, 2])
    assert found[1, 0].equal(found[1, 1])
