import pickle

import numpy as np
import pytest
import torch

from models.detector.bottom_up_config import CAFFE, DETECTRON2, bottom_up_config
from models.detector.bottom_up_network import CaffeResNet
from models.detector.checkpoint import CONFIG_FILE, DetectorInfo, read_config
from models.detector.detector import load_detector
from models.detector.openmmlab import MODELS, mmdet_scope
from models.pretrained.convert import convert_bottom_up
from tests.models.detector import bottom_up_original as original

CPU = torch.device("cpu")
INFO = DetectorInfo("bottom-up", (), "Visual Genome", "MIT")
CLASSES = ("yolk", "stop sign", "cat", "hot dog", "café")
VOCABULARY = "yolk\nstop sign,stopsign\nCat\nhot dog,hotdog \ncafé\n\n"
LIMITS = (96, 160, 7)  # short side, long side, proposals: an image of 48 x 61 is doubled
FAMILIES = ("caffe", "detectron2")


def write_checkpoint(folder, family, state):
    """Write what MILVLG (`.pth`) or airsplay (`.pkl`) publish."""
    (folder / "objects_vocab.txt").write_text(VOCABULARY, encoding="utf-8")
    if family == "caffe":
        torch.save({"model": state, "iteration": 380000}, folder / "bua.pth")
        return folder / "bua.pth"
    arrays = {key: value.numpy() for key, value in state.items()}
    content = {"model": arrays, "__author__": "caffe", "matching_heuristics": True}
    (folder / "bua.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return folder / "bua.pkl"


@pytest.fixture(scope="module", params=FAMILIES)
def converted(request, tmp_path_factory):
    """Return a family, its random weights, and the detector converted from its file."""
    folder = tmp_path_factory.mktemp(request.param)
    state = original.random_checkpoint(request.param, len(CLASSES))
    source = write_checkpoint(folder, request.param, state)
    convert_bottom_up(source, folder / "objects_vocab.txt", INFO, folder / "detector")
    config_file = folder / "detector" / CONFIG_FILE
    config = read_config(config_file)
    config.test_pipeline[1].scale = LIMITS[1::-1]
    config.model.test_cfg.rpn.max_per_img = LIMITS[2]
    config_file.write_text(config.pretty_text, encoding="utf-8")
    return request.param, state, load_detector(folder / "detector", CPU, 8)


def picture(image_hw, seed=3):
    """Grey levels are multiples of 16: doubling the picture by interpolation is then exact."""
    rng = np.random.default_rng(seed)
    return (16 * rng.integers(0, 16, (*image_hw, 3))).astype(np.uint8)


def test_the_stem_pools_windows_of_three_that_may_reach_beyond_the_right_and_bottom():
    maps = torch.arange(7.0 * 10).view(1, 1, 7, 10)  # of each window the last cell is the largest
    pooled = CaffeResNet(depth=18).maxpool(maps)
    assert pooled[0, 0, :, 0].tolist() == [22, 42, 62]
    assert pooled[0, 0, 0].tolist() == [22, 24, 26, 28, 29]


ANCHORS = [[-19.0, -9, 27, 22], [-5, -14, 12, 30], [-40, -35, 51, 47]]


def part(dialect, *names):
    """Build a part of the detector of 3 classes; its config is below these names."""
    config = bottom_up_config(50, 3, ANCHORS, dialect).model
    limits = {"test_cfg": config.test_cfg.rpn, "train_cfg": None} if "rpn_head" in names else {}
    for name in names:
        config = config[name]
    with mmdet_scope():
        return MODELS.build(dict(config, **limits))


@pytest.mark.parametrize(("dialect", "extent_px"), [(CAFFE, 1), (DETECTRON2, 0)])
def test_proposals_are_clipped_and_small_ones_dropped_before_the_best_are_taken(dialect, extent_px):
    head, (height, width), image_hw = part(dialect, "rpn_head"), (3, 5), (43, 71)
    head.test_cfg.update(nms_pre=19, max_per_img=7, min_bbox_size=11)
    torch.manual_seed(0)
    logits = torch.randn(len(ANCHORS), height, width)
    deltas = 0.3 * torch.randn(4 * len(ANCHORS), height, width)
    meta = {"img_shape": image_hw, "scale_factor": (2.0, 1.5)}
    priors = head.prior_generator.grid_priors([(height, width)], device="cpu")
    found = head._predict_by_feat_single([logits], [deltas], [None], priors, meta, None)

    cells = [torch.tensor([x, y, x, y]) for y in range(height) for x in range(width)]
    anchors = torch.cat([torch.tensor(ANCHORS) + 16 * cell for cell in cells])
    deltas = torch.stack([deltas[:, y, x] for y in range(height) for x in range(width)])
    boxes = original.decode(anchors, deltas.reshape(-1, 4), extent_px)
    boxes = original.clip(boxes, image_hw, extent_px)[:, 0]
    probs = 1 / (1 + (-logits.permute(1, 2, 0).flatten()).exp())
    limits = (torch.tensor([22.0, 16.5]), 19, 0.7, 7)
    chosen = original.choose(boxes, probs, extent_px, limits)
    assert len(chosen) == 7
    torch.testing.assert_close(found.bboxes, boxes[chosen])
    torch.testing.assert_close(found.scores, probs[chosen])
    assert found.labels.tolist() == [0] * 7


@pytest.mark.parametrize(("dialect", "extent_px"), [(CAFFE, 1), (DETECTRON2, 0)])
@pytest.mark.parametrize(
    ("limits", "lefts"),
    [
        ({"nms_pre": 19, "min_bbox_size": 11}, [50, 150, 200]),
        ({"nms_pre": 2, "min_bbox_size": 11}, [50, 150]),
        ({"nms_pre": 19, "min_bbox_size": 0}, [0, 50, 100, 150, 200]),
    ],
)
def test_a_proposal_is_longer_and_higher_than_the_least(dialect, extent_px, limits, lefts):
    head = part(dialect, "rpn_head")
    head.test_cfg.update(**limits)
    sides = torch.tensor([[22, 30], [22.5, 30], [30, 16.5], [30, 17], [30, 30], [30, 30]])
    corners = torch.tensor([[left, 3.0] for left in (0, 50, 100, 150, 200, 300)])
    priors = [torch.cat([corners, corners + sides - 2 * extent_px], 1)]  # the last lies outside
    meta = {"img_shape": (97, 271), "scale_factor": (2.0, 1.5)}
    logits, deltas = torch.arange(6.0).flip(0).view(6, 1, 1), torch.zeros(24, 1, 1)
    found = head._predict_by_feat_single([logits], [deltas], [None], priors, meta, None)
    assert found.bboxes[:, 0].tolist() == lefts


@pytest.mark.parametrize(("dialect", "extent_px"), [(CAFFE, 1), (DETECTRON2, 0)])
def test_proposals_overlap_with_their_extents(dialect, extent_px):
    head = part(dialect, "rpn_head")
    head.test_cfg.update(min_bbox_size=0)
    heights = torch.tensor([6.9, 10])  # an IoU of 0.69, or 0.72 with one pixel more
    bottoms = 7 + heights[:, None] - extent_px
    priors = [torch.cat([torch.tensor([[5.0, 7, 40]] * 2), bottoms], 1)]
    meta = {"img_shape": (97, 71), "scale_factor": (1.0, 1.0)}
    logits, deltas = torch.tensor([2.0, 1]).view(2, 1, 1), torch.zeros(8, 1, 1)
    found = head._predict_by_feat_single([logits], [deltas], [None], priors, meta, None)
    assert len(found.scores) == 2 - extent_px


@pytest.mark.parametrize(("dialect", "extent_px"), [(CAFFE, 1), (DETECTRON2, 0)])
@pytest.mark.parametrize("rescale", [True, False])
def test_final_boxes_are_decoded_in_pixels_of_the_original(dialect, extent_px, rescale):
    torch.manual_seed(1)
    corners = torch.rand(11, 2) * torch.tensor([40.0, 30.0])
    boxes = torch.cat([corners, corners + 5 + 30 * torch.rand(11, 2)], 1)  # (11, 4)
    deltas, logits = torch.randn(11, 12), torch.randn(11, 4)
    meta = {"img_shape": (66, 94), "ori_shape": (44, 47), "scale_factor": (2.0, 1.5)}
    regions = torch.cat([torch.zeros(11, 1), boxes], 1)
    head = part(dialect, "roi_head", "bbox_head")
    found = head._predict_by_feat_single(regions, logits, deltas, meta, rescale=rescale)
    if rescale:
        boxes = boxes / torch.tensor([2.0, 1.5, 2.0, 1.5])
    spreads = torch.tensor(dialect.box_stds).repeat(3)
    expected = original.decode(boxes, deltas * spreads, extent_px)
    expected = original.clip(expected, meta["ori_shape" if rescale else "img_shape"], extent_px)
    torch.testing.assert_close(found.bboxes, expected.flatten(1))
    torch.testing.assert_close(found.scores, logits.softmax(1))


def test_regions_are_pooled_over_whole_cells():
    torch.manual_seed(2)
    features = torch.randn(1, 3, 11, 17)
    boxes = torch.tensor([[8.0, 7, 150, 120], [24, 40, 41, 44], [200, 90, 271, 175]])
    regions = torch.cat([torch.zeros(3, 1), boxes], 1)
    extractor = part(CAFFE, "roi_head", "bbox_roi_extractor")
    pooled = extractor.roi_layers[0](features, regions)
    np.testing.assert_array_equal(pooled, original.roi_pool(features[0].numpy(), boxes.numpy()))


@pytest.mark.slow
@pytest.mark.parametrize("image_hw", [(48, 61), (96, 133), (133, 96)])
def test_boxes_and_scores_are_the_original_s(converted, image_hw):
    family, state, detector = converted
    image = picture(image_hw)
    boxes, scores = original.detect(state, family, image, LIMITS)
    labels = torch.arange(len(CLASSES)).expand_as(scores)
    order = scores.flatten().argsort(descending=True)
    found = detect(detector, [image])[0]
    expected = boxes.reshape(-1, 4)[order].numpy()
    real = (expected[:, 2:] > expected[:, :2]).all(1)
    assert real.sum() > 3 * len(CLASSES)
    np.testing.assert_allclose(found.boxes_xyxy, expected[real], atol=2e-2)
    np.testing.assert_allclose(found.scores, scores.flatten()[order].numpy()[real], rtol=1e-4)
    np.testing.assert_array_equal(found.labels, labels.flatten()[order].numpy()[real])


def test_pictures_go_through_one_by_one_as_they_are(converted):
    detector = converted[2]
    assert detector.batch_images == 1
    small, large = picture((48, 61)), picture((96, 133))
    together, alone = detect(detector, [small, large]), detect(detector, [small])
    np.testing.assert_array_equal(together[0].boxes_xyxy, alone[0].boxes_xyxy)
    np.testing.assert_array_equal(together[0].scores, alone[0].scores)


def detect(detector, images):
    return detector.detect(images, 10_000, 0.0, 1.0, per_class=True)
