import pickle

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
from models.detector.checkpoint import CONFIG_FILE, DetectorInfo, build_model, read_config
from models.detector.detector import load_detector
from models.detector.openmmlab import MODELS, mmdet_scope
from models.pretrained.convert import convert_bottom_up, read_vocabulary
from models.safe_load import ModelFileError, load_arrays
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


def test_classes_are_the_first_name_of_each_line(converted):
    assert converted[2].info.classes == CLASSES


def test_pictures_go_through_one_by_one_as_they_are(converted):
    detector = converted[2]
    assert detector.batch_images == 1
    small, large = picture((48, 61)), picture((96, 133))
    together, alone = detect(detector, [small, large]), detect(detector, [small])
    np.testing.assert_array_equal(together[0].boxes_xyxy, alone[0].boxes_xyxy)
    np.testing.assert_array_equal(together[0].scores, alone[0].scores)


def detect(detector, images):
    return detector.detect(images, 10_000, 0.0, 1.0, per_class=True)


def test_anchors_are_those_of_py_faster_rcnn_and_of_detectron2():
    assert caffe_anchors() == original.CAFFE_ANCHORS.tolist()
    np.testing.assert_allclose(detectron2_anchors(), original.detectron2_anchors(), atol=1e-4)


def test_anchors_in_the_checkpoint_count():
    state = original.random_checkpoint("caffe", 2)
    key = "proposal_generator.anchor_generator.cell_anchors.0"
    state[key] = state[key] + 3
    listed = read_bottom_up(state).config.model.rpn_head.anchor_generator.boxes_xyxy
    assert listed[0] == [-35, -13, 56, 34]


def test_a_resnet_101_with_1600_classes_fits_its_config():
    state = original.random_checkpoint("caffe", 1)
    for index in range(6, 23):
        for key in [key for key in state if key.startswith("backbone.res4.5.")]:
            state[key.replace("res4.5.", f"res4.{index}.")] = state[key]
    box = "roi_heads.box_predictor"
    for name, outputs in (("cls_score", 1601), ("bbox_pred", 6404)):
        state[f"{box}.{name}.weight"] = torch.zeros(outputs, 2048)
        state[f"{box}.{name}.bias"] = torch.zeros(outputs)
    found = read_bottom_up(state)
    assert (found.num_classes, found.config.model.backbone.depth) == (1600, 101)
    build_model(found.config).load_state_dict(found.state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("roi_heads.box_predictor.cls_score.weight"), "has no roi_heads"),
        (lambda state: state.pop("backbone.stem.conv1.norm.bias"), "does not fit its config"),
        (lambda state: state.update({"backbone.stem.norm.bias": torch.ones(3)}), "does not fit"),
        (
            lambda state: state.update({"backbone.res4.6.conv1.weight": torch.ones(1)}),
            "7 blocks in res4",
        ),
        (
            lambda state: state.update({"roi_heads.box_predictor.bbox_pred.weight": torch.ones(9)}),
            "6 class scores and 9 box deltas",
        ),
    ],
)
def test_another_network_s_checkpoint_is_refused(tmp_path, change, message):
    state = original.random_checkpoint("caffe", len(CLASSES))
    change(state)
    source = write_checkpoint(tmp_path, "caffe", state)
    with pytest.raises(ModelFileError, match=message):
        convert_bottom_up(source, tmp_path / "objects_vocab.txt", INFO, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_vocabulary_of_another_length_is_refused(tmp_path):
    source = write_checkpoint(tmp_path, "caffe", original.random_checkpoint("caffe", 7))
    with pytest.raises(ModelFileError, match=r"objects_vocab.txt: names 5 classes.* has 7"):
        convert_bottom_up(source, tmp_path / "objects_vocab.txt", INFO, tmp_path / "out")


def test_a_vocabulary_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "words.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match=r"words\.txt: cannot be read"):
        read_vocabulary(tmp_path / "words.txt")


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        import os

        return os.mkdir, ("trapped",)


def test_code_in_a_pickle_of_arrays_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bua.pkl").write_bytes(pickle.dumps({"model": Trap()}, protocol=2))
    with pytest.raises(ModelFileError, match=r"bua\.pkl: .*will not be run: asks for posix"):
        convert_bottom_up(tmp_path / "bua.pkl", tmp_path / "w", INFO, tmp_path / "out")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_that_any_numpy_pickled_are_read(tmp_path, module):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((), np.int64)}
    content = pickle.dumps({"model": arrays}, protocol=2)
    content = content.replace(b"numpy._core.multiarray", module.encode())
    (tmp_path / "bua.pkl").write_bytes(content)
    found = load_arrays(tmp_path / "bua.pkl")["model"]
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [3, 4, 5]])
    assert found["b"] == 1


@pytest.mark.parametrize("kept", [0, 0.5, 0.999])
def test_a_half_downloaded_pickle_is_refused(tmp_path, kept):
    content = pickle.dumps({"model": {"a": np.ones(1000, np.float32)}}, protocol=2)
    (tmp_path / "bua.pkl").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ModelFileError, match=r"bua\.pkl"):
        convert_bottom_up(tmp_path / "bua.pkl", tmp_path / "w", INFO, tmp_path / "out")


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
