import pytest
import torch

from models.detector.bottom_up_checkpoint import read_bottom_up
from models.detector.checkpoint import build_model
from models.given_files.safe_load import ModelFileError
from tests.models.detector import bottom_up_original as original


def test_anchors_in_the_checkpoint_count():
    state = original.random_checkpoint("caffe", 2)
    key = "proposal_generator.anchor_generator.cell_anchors.0"
    state[key] = state[key] + 3
    listed = read_bottom_up(state).config.model.rpn_head.anchor_generator.boxes_xyxy
    assert listed[0] == [-35, -13, 56, 34]


def test_a_resnet_101_with_1600_classes_fits_its_config():
    state = original.random_checkpoint("caffe", 1)
    state = {key: value for key, value in state.items() if "num_batches_tracked" not in key}
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


BOX = "roi_heads.box_predictor"


@pytest.mark.parametrize("family", ["caffe", "detectron2"])
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_outputs_come_in_the_order_of_mmdet(family, part):
    state = original.random_checkpoint(family, 3)
    found = read_bottom_up(state)
    objectness, deltas = (
        state[f"proposal_generator.rpn_head.{name}.{part}"]
        for name in ("objectness_logits", "anchor_deltas")
    )
    scores, boxes = state[f"{BOX}.cls_score.{part}"], state[f"{BOX}.bbox_pred.{part}"]
    if family == "caffe":
        objectness = torch.stack([objectness[12 + one] - objectness[one] for one in range(12)])
        scores, boxes = scores[[1, 2, 3, 0]], boxes[4:]
    assert found.num_classes == 3
    assert found.state[f"rpn_head.rpn_cls.{part}"].equal(objectness)
    assert found.state[f"rpn_head.rpn_reg.{part}"].equal(deltas)
    assert found.state[f"roi_head.bbox_head.fc_cls.{part}"].equal(scores)
    assert found.state[f"roi_head.bbox_head.fc_reg.{part}"].equal(boxes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({f"{BOX}.cls_score.weight": None}, r"cls_score\.weight"),
        ({f"{BOX}.bbox_pred.weight": torch.zeros(7, 2048)}, r"\b7\b"),
        ({"backbone.res4.6.conv1.weight": torch.zeros(1)}, r"\b7 blocks"),
        ({"proposal_generator.anchor_generator.cell_anchors.0": torch.zeros(12, 3)}, r"anchors"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_by_what_is_wrong(changes, named):
    state = {**original.random_checkpoint("caffe", 2), **changes}
    with pytest.raises(ModelFileError, match=named):
        read_bottom_up({key: value for key, value in state.items() if value is not None})


def test_without_anchors_in_the_checkpoint_the_usual_ones_count():
    state = original.random_checkpoint("caffe", 2)
    stored = state.pop("proposal_generator.anchor_generator.cell_anchors.0")
    listed = read_bottom_up(state).config.model.rpn_head.anchor_generator.boxes_xyxy
    torch.testing.assert_close(torch.tensor(listed), stored)
