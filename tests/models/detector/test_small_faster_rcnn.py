import numpy as np
import pytest
import torch

from models.detector.checkpoint import build_model, read_config
from models.detector.detector import INPUT_MULTIPLE_PX
from models.detector.openmmlab import Compose, mmdet_scope
from models.detector.small_faster_rcnn import CHANNELS, small_detector_config


def test_anchors_follow_the_objects():
    config = small_detector_config(7, 16, object_px=11.0, long_side_px=96)
    assert config.model.rpn_head.anchor_generator.base_sizes == [11.0, 22.0]
    assert config.model.roi_head.bbox_head.num_classes == 7
    assert config.test_pipeline[1].scale == (96, 96)


def settings(values, path=()):
    """Return the values of a nested config by dotted key."""
    if not isinstance(values, dict):
        return {".".join(path): values}
    return {
        key: value
        for name in values
        for key, value in settings(values[name], (*path, name)).items()
    }


OWN = {  # what differs from the published one, for small drawn objects and few of them
    "data_preprocessor.mean",
    "data_preprocessor.std",
    "data_preprocessor.pad_size_divisor",
    "backbone.depth",
    "backbone.num_stages",
    "backbone.out_indices",
    "backbone.norm_eval",
    "neck.in_channels",
    "neck.out_channels",
    "neck.num_outs",
    "rpn_head.in_channels",
    "rpn_head.feat_channels",
    "rpn_head.anchor_generator.scales",
    "rpn_head.anchor_generator.ratios",
    "rpn_head.anchor_generator.strides",
    "roi_head.bbox_roi_extractor.out_channels",
    "roi_head.bbox_roi_extractor.featmap_strides",
    "roi_head.bbox_roi_extractor.roi_layer.sampling_ratio",
    "roi_head.bbox_head.in_channels",
    "roi_head.bbox_head.fc_out_channels",
    "roi_head.bbox_head.num_classes",
    "roi_head.bbox_head.reg_class_agnostic",
    "train_cfg.rpn.assigner.pos_iou_thr",
    "train_cfg.rpn.sampler.num",
    "train_cfg.rcnn.sampler.num",
    "train_cfg.rcnn.sampler.pos_fraction",
    "train_cfg.rpn_proposal.nms_pre",
    "train_cfg.rpn_proposal.max_per_img",
    "test_cfg.rpn.nms_pre",
    "test_cfg.rpn.max_per_img",
}


ADDED = {  # what the published one leaves as it is by default
    "backbone.base_channels",
    "backbone.dilations",
    "backbone.stem_channels",
    "backbone.strides",
    "roi_head.bbox_roi_extractor.finest_scale",
    "roi_head.bbox_roi_extractor.roi_layer.use_torchvision",
    "rpn_head.anchor_generator.base_sizes",
}


def test_the_rest_is_mmdets_published_faster_rcnn():
    ours = settings(small_detector_config(7, 16, 11.0, 96).model.to_dict())
    theirs = settings(read_config("_base_/models/faster-rcnn_r50_fpn.py").model.to_dict())
    assert {key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]} == OWN
    assert ours.keys() - theirs.keys() == ADDED


def test_anchors_are_a_series_of_areas_and_as_often_wide_as_high():
    anchors = small_detector_config(7, 16, 8.0, 96).model.rpn_head.anchor_generator
    sides = sorted(size * scale for size in anchors.base_sizes for scale in anchors.scales)
    assert sides == pytest.approx([8.0, 8.0 * 2**0.5, 16.0, 16.0 * 2**0.5])
    high, square, wide = anchors.ratios
    assert (square, high * wide) == (1.0, pytest.approx(1, abs=0.01))
    assert 0.5 < high < 1


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


def test_pictures_are_padded_in_training_as_they_are_later():
    preprocessor = small_detector_config(3, 8, 20.0, 128).model.data_preprocessor
    assert preprocessor.pad_size_divisor == INPUT_MULTIPLE_PX


def test_images_are_resized_with_their_aspect_kept_and_told_how():
    with mmdet_scope():
        prepare = Compose(small_detector_config(3, 8, 20.0, 128).test_pipeline)
    prepared = prepare({"img": np.zeros((26, 52, 3), np.uint8)})
    told = prepared["data_samples"].metainfo
    assert prepared["inputs"].shape == (3, 64, 128)
    assert set(told) == {"ori_shape", "img_shape", "scale_factor"}
    assert (told["ori_shape"], told["img_shape"]) == ((26, 52), (64, 128))
    assert told["scale_factor"] == pytest.approx((128 / 52, 64 / 26))
