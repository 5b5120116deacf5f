import numpy as np
import pytest
import torch

from models.detector.bottom_up_checkpoint import read_bottom_up
from models.detector.bottom_up_config import (
    CAFFE,
    DETECTRON2,
    bottom_up_config,
    caffe_anchors,
    detectron2_anchors,
)
from models.detector.checkpoint import build_model
from models.detector.openmmlab import MODELS, mmdet_scope
from tests.models.detector import bottom_up_original as original


def test_anchors_are_those_of_py_faster_rcnn_and_of_detectron2():
    assert caffe_anchors() == original.CAFFE_ANCHORS.tolist()
    np.testing.assert_allclose(detectron2_anchors(), original.detectron2_anchors(), atol=1e-4)


@pytest.mark.parametrize(("dialect", "num_kept"), [(CAFFE, 1), (DETECTRON2, 2)])
def test_overlap_counts_the_pixel_that_a_box_is_wider(dialect, num_kept):
    # widths 70.05 and 100 of 100: IoU 0.7005; without the pixel 69.05 of 99: 0.697
    anchors = [[0.0, 0.0, 99.0, 99.0], [0.0, 0.0, 69.05, 99.0]]
    config = bottom_up_config(50, 2, anchors, dialect).model
    with mmdet_scope():
        head = MODELS.build(dict(config.rpn_head, test_cfg=config.test_cfg.rpn, train_cfg=None))
    meta = {"img_shape": (200, 200), "scale_factor": (1.0, 1.0)}
    scores, deltas = torch.tensor([2.0, 1.0]).view(2, 1, 1), torch.zeros(8, 1, 1)
    priors = head.prior_generator.grid_priors([(1, 1)], device="cpu")
    found = head._predict_by_feat_single([scores], [deltas], [None], priors, meta, None)
    assert len(found.bboxes) == num_kept


def test_numbers_are_those_that_were_published():
    # py-faster-rcnn, lib/fast_rcnn/config.py: TEST.SCALES, MAX_SIZE, RPN_PRE_NMS_TOP_N,
    # RPN_POST_NMS_TOP_N, RPN_NMS_THRESH, NMS, RPN_MIN_SIZE, and PIXEL_MEANS
    config = bottom_up_config(101, 1600, caffe_anchors(), CAFFE)
    rpn, rcnn = config.model.test_cfg.rpn, config.model.test_cfg.rcnn
    assert config.test_pipeline[1].scale == (1000, 600)
    assert (rpn.nms_pre, rpn.max_per_img, rpn.min_bbox_size) == (6000, 300, 16)
    assert (rpn.nms.iou_threshold, rcnn.nms.iou_threshold, rcnn.score_thr) == (0.7, 0.3, 0.0)
    assert config.model.data_preprocessor.mean == [102.9801, 115.9465, 122.7717]
    assert config.model.data_preprocessor.std == [1.0, 1.0, 1.0]
    assert not config.model.data_preprocessor.bgr_to_rgb


@pytest.mark.parametrize(
    ("dialect", "stds", "extent_px"),
    [(CAFFE, (1.0,) * 4, 1), (DETECTRON2, (0.1, 0.1, 0.2, 0.2), 0)],
)
def test_deltas_of_the_second_stage_are_counted_in_the_dialect(dialect, stds, extent_px):
    model = bottom_up_config(50, 7, [[0.0] * 4], dialect).model
    assert model.roi_head.bbox_head.bbox_coder.target_stds == stds
    coders = (model.roi_head.bbox_head.bbox_coder, model.rpn_head.bbox_coder)
    assert {coder.extent_px for coder in coders} == {extent_px}
    assert model.rpn_head.bbox_coder.target_stds == (1.0,) * 4


@pytest.mark.parametrize("family", ["caffe", "detectron2"])
def test_layers_of_one_image_compute_what_the_original_s_do(family):
    state = original.random_checkpoint(family, 7)
    converted = read_bottom_up(state)
    assert converted.config.input_multiple_px == converted.config.max_batch_images == 1
    network = build_model(converted.config).eval()
    network.load_state_dict(converted.state)
    images = 50 * torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[8.0, 7, 60, 50], [3, 20, 94, 31]])
    with torch.no_grad():
        (features,) = network.extract_feat(images)
        rpn = network.rpn_head((features,))
        final = network.roi_head._bbox_forward(
            (features,), torch.cat([torch.zeros(2, 1), boxes], 1)
        )
    assert features.shape == (1, 1024, 4, 6)
    torch.testing.assert_close(features, original.backbone(state, images), rtol=1e-3, atol=1e-3)
    objectness, deltas = original.rpn_outputs(state, family, features)
    if family == "caffe":  # a probability there, a logit here
        objectness = objectness.logit()
    torch.testing.assert_close(rpn[0][0], objectness, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(rpn[1][0], deltas, rtol=1e-3, atol=1e-3)
    pooled = torch.from_numpy(original.roi_pool(features[0].numpy(), boxes.numpy()))
    logits, deltas = original.box_outputs(state, pooled)
    if family == "caffe":
        logits, deltas = logits[:, [1, 2, 3, 4, 5, 6, 7, 0]], deltas[:, 4:]
    torch.testing.assert_close(final["cls_score"], logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(final["bbox_pred"], deltas, rtol=1e-3, atol=1e-3)
