import pytest
import torch

from models.detector.checkpoint import build_model
from models.detector.small_faster_rcnn import CHANNELS, small_detector_config


def test_anchors_follow_the_objects():
    config = small_detector_config(7, 16, object_px=11.0, long_side_px=96)
    assert config.model.rpn_head.anchor_generator.base_sizes == [11.0, 22.0]
    assert config.model.roi_head.bbox_head.num_classes == 7
    assert config.test_pipeline[1].scale == (96, 96)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(small_detector_config(3, 8, 20.0, 128)).eval()


def test_the_pyramid_has_strides_8_and_16_and_dense_convolutions(model):
    with torch.no_grad():
        levels = model.extract_feat(torch.rand(1, 3, 64, 128))
    assert [tuple(level.shape) for level in levels] == [(1, CHANNELS, 8, 16), (1, CHANNELS, 4, 8)]
    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    assert {module.dilation for module in convolutions} == {(1, 1)}


def test_labels_and_widths_are_those_asked_for(model):
    assert model.roi_head.bbox_head.fc_cls.out_features == 3 + 1
    assert model.roi_head.bbox_head.fc_reg.out_features == 4
    assert model.backbone.conv1.out_channels == 8


def test_objects_of_twice_the_small_size_come_from_the_coarser_level(model):
    extractor = model.roi_head.bbox_roi_extractor
    sides = torch.tensor([20.0, 55.0, 61.0, 120.0])  # the border is at 2 * 1.5 * 20
    boxes = torch.stack([torch.zeros(4), *[torch.zeros(4)] * 2, sides, sides], dim=1)
    assert extractor.map_roi_levels(boxes, 2).tolist() == [0, 0, 1, 1]


def test_images_are_resized_with_their_aspect_kept():
    resize = small_detector_config(3, 8, 20.0, 128).test_pipeline[1]
    assert (tuple(resize.scale), resize.keep_ratio) == ((128, 128), True)
