import warnings
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.detector.checkpoint import (
    DetectorInfo,
    build_model,
    inference_config,
    read_config,
    read_info,
)
from models.detector.detector import Detector, NetworkInput, load_detector, select_boxes
from models.detector.openmmlab import DetDataSample, InstanceData
from models.pretrained.convert import convert_detector
from pipeline.evaluation.metrics import iou_matrix
from pipeline.images.images import read_image
from tests.oracles import detection_loops as loops
from tests.tiny_detector import CLASSES, draw

CPU = torch.device("cpu")
YOLOX = "yolox/yolox_nano_8xb8-300e_coco.py"
SIZES_HW = [(52, 64), (70, 44), (31, 40), (190, 250), (52, 64)]
EXAMPLES = [draw(index, image_hw) for index, image_hw in enumerate(SIZES_HW, start=40)]
IMAGES = [example.image for example in EXAMPLES]


@pytest.fixture(scope="module")
def detector(tiny_detector):
    return load_detector(tiny_detector, CPU, batch_images=3)


def detect(detector, images, **changes):
    limits = {"max_boxes": 7, "score_floor": 0.05, "nms_iou": 0.5, "per_class": False}
    return detector.detect(images, **limits | changes)


def as_bytes(detections):
    return [(d.boxes_xyxy.tobytes(), d.scores.tobytes(), d.labels.tobytes()) for d in detections]


def test_objects_are_found_in_pixels_of_pictures_of_any_size(detector):
    found = detect(detector, IMAGES)
    ious = [
        iou_matrix(item.boxes_xyxy[:1], example.boxes_xyxy)[0, 0]
        for item, example in zip(found, EXAMPLES, strict=True)
    ]
    assert min(ious) > 0.3
    assert np.mean(ious) > 0.5
    assert [item.labels[0] for item in found] == [example.labels[0] for example in EXAMPLES]


def test_a_loaded_detector_is_frozen(detector):
    assert not detector._model.training
    assert not any(weight.requires_grad for weight in detector._model.parameters())


def test_a_loaded_detector_tells_what_its_folder_says_of_it(detector, tiny_detector):
    assert detector.info == read_info(tiny_detector)
    assert detector.info.classes == CLASSES


def test_red_and_blue_are_not_exchanged_on_the_way_to_the_network(detector):
    found = detect(detector, IMAGES[:2]) + detect(detector, [image[..., ::-1] for image in IMAGES])
    assert [CLASSES[item.labels[0]] for item in found[:4]] == ["red", "blue", "blue", "red"]


def test_boxes_lie_in_the_picture_and_come_by_descending_score(detector):
    for item, (height, width) in zip(detect(detector, IMAGES), SIZES_HW, strict=True):
        assert (item.boxes_xyxy >= 0).all()
        assert (item.boxes_xyxy[:, 2:] <= (width, height)).all()
        assert (np.diff(item.scores) <= 0).all()
        assert (item.scores >= 0.05).all()


def test_boxes_of_a_network_that_does_not_clip_them_lie_in_the_picture_too():
    torch.manual_seed(0)
    config = inference_config(read_config(YOLOX))
    untrained = Detector(config, build_model(config).eval(), read_example_info(), 1)
    boxes = detect(untrained, IMAGES[1:2], max_boxes=900, score_floor=0.0)[0].boxes_xyxy
    height, width = SIZES_HW[1]
    assert boxes.min() == 0
    assert boxes[:, [0, 2]].max() == width
    assert boxes[:, [1, 3]].max() == height
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_arrays_have_the_promised_types(detector):
    item = detect(detector, IMAGES[:1])[0]
    assert [item.boxes_xyxy.dtype, item.scores.dtype, item.labels.dtype] == ["f4", "f4", "i2"]


def test_the_bytes_of_a_picture_do_not_depend_on_its_neighbours(detector):
    together = as_bytes(detect(detector, IMAGES))
    alone = [as_bytes(detect(detector, [image]))[0] for image in IMAGES]
    backwards = as_bytes(detect(detector, IMAGES[::-1]))[::-1]
    assert together == alone == backwards


def test_the_number_of_boxes_is_limited_to_the_best(detector):
    few, many = (detect(detector, IMAGES[:1], max_boxes=limit)[0] for limit in (2, 50))
    assert len(few.scores) == 2 < len(many.scores)
    np.testing.assert_array_equal(few.boxes_xyxy, many.boxes_xyxy[:2])


def test_no_two_boxes_of_whatever_class_overlap_beyond_the_threshold(detector):
    boxes = detect(detector, IMAGES[:1], max_boxes=50, score_floor=0.01)[0].boxes_xyxy
    assert np.triu(iou_matrix(boxes, boxes), k=1).max() <= 0.5


def test_per_class_a_place_may_have_two_labels(detector):
    item = detect(detector, IMAGES[:1], max_boxes=50, score_floor=0.0, per_class=True)[0]
    ious = np.triu(iou_matrix(item.boxes_xyxy, item.boxes_xyxy), k=1)
    same = item.labels[:, None] == item.labels
    assert ious[same].max() <= 0.5 < ious[~same].max()


def test_the_network_itself_is_no_stricter_than_what_is_asked(detector):
    asked = {"max_boxes": 999, "score_floor": 0.0, "nms_iou": 0.9, "per_class": True}
    item = detect(detector, IMAGES[:1], **asked)[0]
    assert len(item.scores) > 100  # as many as its config lets through
    ious = np.triu(iou_matrix(item.boxes_xyxy, item.boxes_xyxy), k=1)
    assert 0.5 < ious[item.labels[:, None] == item.labels].max() <= 0.9


class TwoLabels(torch.nn.Module):
    """A network that sees two things in one place and leaves both, as a transformer does."""

    data_preprocessor = SimpleNamespace(pad_size_divisor=1)

    def test_step(self, data):
        boxes = torch.tensor([[3.0, 4, 20, 30], [3, 4, 20, 31]])
        for sample in data["data_samples"]:
            sample.pred_instances = InstanceData(
                bboxes=boxes, scores=torch.tensor([0.5, 0.75]), labels=torch.tensor([0, 1])
            )
        return data["data_samples"]


@pytest.mark.parametrize(("per_class", "labels"), [(True, [1, 0]), (False, [1])])
def test_boxes_that_a_network_leaves_suppress_each_other_as_it_is_asked(per_class, labels):
    detector = Detector(inference_config(read_config(YOLOX)), TwoLabels(), read_example_info(), 1)
    assert detect(detector, IMAGES[:1], per_class=per_class)[0].labels.tolist() == labels


@pytest.mark.parametrize(("asked", "expected"), [(2, 2), (5, 3)])
def test_a_config_may_allow_few_pictures_at_a_time(asked, expected):
    config = inference_config(read_config(YOLOX))
    assert Detector(config, TwoLabels(), read_example_info(), asked).batch_images == asked
    config.max_batch_images = 3
    assert Detector(config, TwoLabels(), read_example_info(), asked).batch_images == expected


def test_inputs_are_padded_to_the_larger_of_two_multiples():
    config = inference_config(read_config(YOLOX))
    for own, expected in ((128, 128), (32, 64)):
        config.model.data_preprocessor.pad_size_divisor = own
        model = build_model(config)
        Detector(config, model, read_example_info(), 1)
        assert model.data_preprocessor.pad_size_divisor == expected


def test_a_picture_without_objects_has_no_boxes(detector):
    grey = np.full((52, 64, 3), 115, np.uint8)
    item = detect(detector, [grey], score_floor=0.5)[0]
    assert (item.boxes_xyxy.shape, item.scores.shape, item.labels.shape) == ((0, 4), (0,), (0,))


def test_one_pixel_pictures_and_strips_are_survived(detector):
    odd = [np.zeros(shape, np.uint8) for shape in ((1, 1, 3), (1, 300, 3), (300, 3, 3))]
    found = detect(detector, odd)
    assert len(found) == 3
    assert as_bytes(found[1:]) == [(b"", b"", b"")] * 2
    assert found[1].boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(("length", "is_seen"), [(300, True), (301, False)])
def test_a_strip_of_a_hundred_squares_is_the_longest_that_the_network_sees(
    detector, length, is_seen
):
    for image_hw in ((3, length), (length, 3)):
        network_input = detector._input(0, np.zeros((*image_hw, 3), np.uint8))
        assert (network_input is not None) == is_seen


def test_no_pictures_give_no_detections(detector):
    assert detect(detector, []) == []


def test_every_batch_is_filled_up_to_its_size(detector):
    seen = []
    backbone = detector._model.backbone
    hook = backbone.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    detect(detector, IMAGES)
    hook.remove()
    assert len(seen) < len(IMAGES)
    assert set(seen) == {3}


def test_what_mmdet_itself_is_warned_of_is_not_told_to_users():
    config = inference_config(read_config(YOLOX))
    yolox = Detector(config, build_model(config).eval(), read_example_info(), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(detect(yolox, IMAGES[:1])) == 1


def test_pictures_may_come_one_by_one(detector):
    assert as_bytes(detect(detector, iter(IMAGES))) == as_bytes(detect(detector, IMAGES))


@pytest.mark.parametrize("num_groups", [1, 3])
def test_selection_equals_a_slow_loop_in_each_group(num_groups):
    rng = np.random.default_rng(5)
    boxes = np.sort(rng.uniform(0, (50, 23), (41, 2, 2)), axis=1).reshape(-1, 4).astype("f4")
    scores = (rng.permutation(41) / 41).astype("f4")
    groups = rng.integers(0, num_groups, 41)
    kept = select_boxes(*map(torch.tensor, (boxes, scores, groups)), 0.2, 0.4)
    expected = []
    for group in range(num_groups):
        members = np.flatnonzero((groups == group) & (scores >= 0.2))
        expected += members[loops.suppress(boxes[members], scores[members], 0.4)].tolist()
    assert kept.tolist() == sorted(expected, key=lambda index: -scores[index])


def test_boxes_of_equal_scores_keep_their_order():
    corners = torch.arange(0.0, 970, 10)[:, None].expand(97, 2)
    scores = torch.full((97,), 0.5)
    scores[41] = 0.75
    kept = select_boxes(torch.cat([corners, corners + 7], 1), scores, torch.zeros(97), 0.0, 0.5)
    assert kept.tolist() == [41, *range(41), *range(42, 97)]


def test_boxes_without_area_and_below_the_floor_are_dropped():
    boxes = torch.tensor([[3.0, 4, 3, 9], [0, 0, 5, 7], [20, 0, 25, 7]])
    scores = torch.tensor([0.9, 0.5, 0.5 - 1e-4])
    assert select_boxes(boxes, scores, torch.zeros(3), 0.5, 0.5).tolist() == [1]


def read_example_info():
    return DetectorInfo("yolox", (), "COCO train2017", "Apache-2.0")


@pytest.fixture(scope="module")
def yolox(real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("yolox")
    convert_detector(real / "weights" / "yolox_nano_mmdet.pth", YOLOX, read_example_info(), folder)
    return load_detector(folder, CPU, batch_images=8)


def union_boxes(flickr, image_id):
    """Union box of each phrase's chain, float64 (P, 4), read without the project's reader."""
    corners = {}
    for item in ElementTree.parse(flickr / "Annotations" / f"{image_id}.xml").iter("object"):
        box = [int(item.findtext(f"bndbox/{k}", "0")) for k in ("xmin", "ymin", "xmax", "ymax")]
        for name in item.iter("name"):
            corners.setdefault(name.text, []).append(box)
    text = (flickr / "Sentences" / f"{image_id}.txt").read_text()
    chains = [part.split("/")[0] for part in text.split("[/EN#")[1:]]
    boxes = [np.array([box for box in corners.get(chain, []) if any(box)]) for chain in chains]
    return np.array([[*b[:, :2].min(0), *b[:, 2:].max(0)] for b in boxes if len(b)], float)


@pytest.mark.slow
@pytest.mark.real
def test_real_photographs_give_the_recall_that_others_measured(real, yolox):
    flickr = real / "flickr30k"
    ids = (flickr / "val.txt").read_text().split()
    images = (read_image(flickr / "flickr30k-images" / f"{name}.jpg") for name in ids)
    found = yolox.detect(images, max_boxes=50, score_floor=0.01, nms_iou=0.65, per_class=True)
    hits = [
        iou_matrix(union_boxes(flickr, name), item.boxes_xyxy) >= 0.5
        for name, item in zip(ids, found, strict=True)
        if len(item.scores)
    ]
    assert sum(len(union_boxes(flickr, name)) for name in ids) == 3239
    figures = [
        100 / 3239 * sum(map(np.sum, kind))
        for kind in (
            [hit.any(1) for hit in hits],
            [hit[:, 0] for hit in hits],
            [hit.mean(1) for hit in hits],
        )
    ]
    np.testing.assert_allclose(figures, [65.9, 34.3, 10.9], atol=1.0)


@pytest.mark.parametrize(
    ("image_hw", "multiple_px", "padded_hw"),
    [((64, 128), 64, (64, 128)), ((65, 127), 64, (128, 128)), ((1, 97), 32, (32, 128))],
)
def test_sides_are_padded_up_to_a_multiple_and_no_further(image_hw, multiple_px, padded_hw):
    pixels = torch.zeros(3, *image_hw, dtype=torch.uint8)
    assert NetworkInput(0, pixels, DetDataSample()).padded_hw(multiple_px) == padded_hw
