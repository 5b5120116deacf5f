import pickle

import numpy as np
import pytest
import torch

from models.detector.bottom_up_network import CaffeResNet
from models.detector.checkpoint import CONFIG_FILE, DetectorInfo, read_config
from models.detector.detector import load_detector
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
