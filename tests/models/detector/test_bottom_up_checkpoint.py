import torch

from models.detector.bottom_up_checkpoint import read_bottom_up
from models.detector.checkpoint import build_model
from tests.models.detector import bottom_up_original as original


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
