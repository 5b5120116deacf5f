import sys
import types

import numpy as np
import pytest
import torch

from models.detector import openmmlab
from tests.oracles import detection_loops as loops


def crowd(num_boxes=53):
    """Many overlapping boxes of unequal sides, and their scores."""
    rng = np.random.default_rng(7)
    corners = np.sort(rng.uniform(0, (90, 40), (num_boxes, 2, 2)), axis=1)
    return corners.reshape(-1, 4).astype(np.float32), rng.permutation(num_boxes) / num_boxes


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.65, 1.0])
def test_nms_keeps_what_a_slow_loop_keeps(threshold):
    boxes, scores = crowd()
    kept = openmmlab.nms(torch.tensor(boxes), torch.tensor(scores), threshold, offset=0)
    assert kept.tolist() == loops.suppress(boxes.astype(np.float64), scores, threshold)


def test_an_iou_of_exactly_the_threshold_is_not_suppressed():
    boxes = torch.tensor([[0.0, 0, 8, 4], [0, 0, 8, 8]])
    assert openmmlab.nms(boxes, torch.tensor([0.9, 0.8]), 0.5, offset=0).tolist() == [0, 1]


def test_nms_of_no_boxes_keeps_none():
    assert openmmlab.nms(torch.zeros(0, 4), torch.zeros(0), 0.5, offset=0).tolist() == []


def test_the_pixel_counting_offset_is_refused():
    with pytest.raises(AssertionError, match="offset 1"):
        openmmlab.nms(torch.zeros(1, 4), torch.zeros(1), 0.5, offset=1)


def test_mmcv_s_own_nms_ends_up_in_ours():
    from mmcv.ops import batched_nms

    boxes, scores = crowd(19)
    labels = torch.zeros(19, dtype=torch.int64)
    settings = {"type": "nms", "iou_threshold": 0.4}
    _, kept = batched_nms(torch.tensor(boxes), torch.tensor(scores).float(), labels, settings)
    assert kept.tolist() == loops.suppress(boxes.astype(np.float64), scores, 0.4)


def test_another_operator_says_its_name_and_what_it_needs():
    missing = openmmlab.MissingOps("mmcv._ext")
    with pytest.raises(NotImplementedError, match=r"roi_align_forward.*compiled mmcv"):
        missing.roi_align_forward(1, 2, aligned=True)


def test_python_s_own_attributes_are_not_operators():
    assert not hasattr(openmmlab.MissingOps("mmcv._ext"), "__path__")


def test_names_are_looked_up_in_mmdet_whatever_the_scope():
    from mmengine.registry import MODELS, DefaultScope

    with (
        DefaultScope.overwrite_default_scope("mmengine"),
        openmmlab.mmdet_scope(),
        MODELS.switch_scope_and_registry(None) as registry,
    ):
        assert registry is openmmlab.MODELS


def test_a_compiled_extension_is_left_in_place(monkeypatch):
    compiled = types.ModuleType("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", compiled)
    openmmlab.install_missing_ops()
    assert sys.modules["mmcv._ext"] is compiled


def test_a_compiled_extension_is_preferred_where_it_can_be_imported(monkeypatch, tmp_path):
    import mmcv

    (tmp_path / "_ext.py").write_text("KIND = 'compiled'\n")
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    monkeypatch.setattr(mmcv, "__path__", [*mmcv.__path__, str(tmp_path)])
    openmmlab.install_missing_ops()
    assert sys.modules["mmcv._ext"].KIND == "compiled"
