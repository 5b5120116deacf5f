import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from models.detector.checkpoint import (
    DetectorInfo,
    build_model,
    classes_of,
    inference_config,
    num_classes_of,
    read_config,
    read_info,
    save_detector,
)
from models.detector.detector import load_detector
from models.detector.openmmlab import Config
from models.given_files.safe_load import (
    ModelFileError,
    NonFiniteError,
    load_into,
    read_content,
    weights_of,
)
from tests.tiny_detector import CLASSES

CPU = torch.device("cpu")


def test_the_folder_says_what_the_weights_are(tiny_detector):
    assert read_info(tiny_detector) == DetectorInfo(
        "tiny", CLASSES, "bright rectangles", "Apache-2.0"
    )


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("detector.json", b'{"name": "tiny"}', ModelFileError),
        ("weights.pth", b"", ModelFileError),
        ("weights.pth", b"<html>404</html>", ModelFileError),
    ],
)
def test_a_broken_folder_is_refused_by_name(tiny_detector, tmp_path, name, content, error):
    for file in tiny_detector.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=name):
        load_detector(tmp_path, CPU, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 3},
        {"classes": ["a", 3]},
        {"classes": "ab"},
        {"classes": {"a": 1, "b": 2}},
        {"training_set": None},
        {"licence": []},
    ],
)
def test_a_value_of_another_kind_is_refused(tmp_path, change):
    values = {"name": "x", "classes": ["a", "b"], "training_set": "y", "licence": "z"}
    (tmp_path / "detector.json").write_text(json.dumps(values))
    assert read_info(tmp_path) == DetectorInfo("x", ("a", "b"), "y", "z")
    (tmp_path / "detector.json").write_text(json.dumps(values | change))
    with pytest.raises(ModelFileError, match=r"detector\.json"):
        read_info(tmp_path)


def test_names_of_classes_are_as_many_as_the_network_tells_apart(tiny_detector, tmp_path):
    for file in tiny_detector.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    values = json.loads((tmp_path / "detector.json").read_text())
    (tmp_path / "detector.json").write_text(json.dumps(values | {"classes": ["a", "b", "c"]}))
    with pytest.raises(ModelFileError, match=r"detector\.json.*\b3\b.*\b2\b"):
        load_detector(tmp_path, CPU, 1)


def test_saved_weights_are_plain_and_lie_in_rows(tiny_detector, tmp_path):
    weight = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
    config = read_config(tiny_detector / "config.py")
    save_detector(tmp_path, config, {"w": weight.T}, read_info(tiny_detector))
    found = torch.load(tmp_path / "weights.pth", weights_only=True)["w"]
    assert torch.equal(found, weight.T)
    assert (found.is_contiguous(), found.requires_grad) == (True, False)


def test_a_detector_with_a_weight_that_is_not_finite_is_not_written(tmp_path):
    info = DetectorInfo("x", ("a",), "y", "z")
    with pytest.raises(NonFiniteError, match=r"\bw\b"):
        save_detector(tmp_path / "a", Config({}), {"w": torch.tensor([1, torch.inf])}, info)
    assert not (tmp_path / "a").exists()


def test_an_own_config_comes_before_one_of_mmdet_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yolox").mkdir()
    name = "yolox/yolox_nano_8xb8-300e_coco.py"
    assert read_config(name).model.type == "YOLOX"
    (tmp_path / name).write_text("model = dict(type='Mine')")
    assert read_config(name).model.type == "Mine"


def test_weights_of_another_network_are_refused(tiny_detector, tmp_path):
    for file in tiny_detector.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({"backbone.conv1.weight": torch.zeros(2)}, tmp_path / "weights.pth")
    with pytest.raises(ModelFileError, match=r"weights\.pth.*backbone"):
        load_detector(tmp_path, CPU, 1)


def test_an_unknown_config_is_refused():
    with pytest.raises(ModelFileError, match=r"yolox/nothing\.py"):
        read_config("yolox/nothing.py")


@pytest.mark.parametrize(
    ("text", "named"),
    [("version https://git-lfs.github.com/spec/v1", "git-lfs"), ("model = dict(", "SyntaxError")],
)
def test_a_file_that_is_no_config_is_told_what_it_is(tmp_path, text, named):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ModelFileError, match=rf"mine\.py.*{named}"):
        read_config(tmp_path / "mine.py")


def test_a_network_that_mmdet_does_not_know_is_named_with_its_file(tmp_path):
    (tmp_path / "mine.py").write_text("model = dict(type='Nothing')")
    with pytest.raises(ModelFileError, match=r"mine\.py.*Nothing"):
        build_model(read_config(tmp_path / "mine.py"))
    with pytest.raises(ModelFileError, match="Nothing") as refused:
        build_model(Config({"model": {"type": "Nothing"}}))
    assert "None" not in str(refused.value)


@pytest.mark.parametrize("place", ["test_pipeline", "test_dataloader"])
def test_either_place_of_a_test_pipeline_is_enough(place):
    config = read_config("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py")
    alone = {key: config[key] for key in ("model", place)}
    assert inference_config(Config(alone)).to_dict() == inference_config(config).to_dict()


def test_parts_in_a_list_are_made_portable_too():
    heads = [{"type": "RoIAlign", "init_cfg": {"type": "Pretrained"}}, {"type": "RoIPool"}]
    steps = [{"type": "LoadImageFromFile"}, {"type": "PackDetInputs"}]
    found = inference_config(Config({"model": {"heads": heads}, "test_pipeline": steps}))
    expected = [{"type": "RoIAlign", "use_torchvision": True}, {"type": "RoIPool"}]
    assert found.model.to_dict() == {"heads": expected}


def test_a_config_is_cut_down_to_what_prediction_needs():
    whole = read_config("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py")
    config = inference_config(whole)
    assert config.filename == whole.filename
    assert set(config.keys()) == {"model", "test_pipeline"}
    assert config.model.roi_head.bbox_roi_extractor.roi_layer.use_torchvision
    assert "init_cfg" not in config.model.backbone
    assert [step.type for step in config.test_pipeline] == [
        "LoadImageFromNDArray",
        "Resize",
        "PackDetInputs",
    ]
    packed = set(config.test_pipeline[-1].meta_keys)  # what mmdet needs to place boxes
    assert packed == {"ori_shape", "img_shape", "scale_factor"}


def test_a_network_is_built_without_what_its_config_does_to_batches_of_training():
    whole = read_config("yolox/yolox_nano_8xb8-300e_coco.py")
    assert whole.model.data_preprocessor.batch_augments
    config = inference_config(whole)
    before = config.to_dict()
    with DefaultScope.overwrite_default_scope("mmengine"):  # whatever others look names up in
        assert build_model(config).data_preprocessor.batch_augments is None
    assert config.to_dict() == before


def test_the_classes_of_a_config_are_those_of_its_last_head():
    assert num_classes_of(read_config("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py")) == 80
    heads = {"rpn_head": {"num_classes": 1}, "roi_head": [{"num_classes": 7}, {"num_classes": 9}]}
    assert num_classes_of(Config({"model": heads})) == 9
    assert num_classes_of(Config({"model": {}})) == 0


STATE = {"w": torch.tensor(1)}


@pytest.mark.parametrize(
    ("content", "classes"),
    [
        ({"meta": {"dataset_meta": {"classes": ["a", "b"]}}, "state_dict": STATE}, ("a", "b")),
        ({"meta": {"CLASSES": ("a",)}, "state_dict": STATE}, ("a",)),
        ({"meta": {"classes": "one thing"}, "state_dict": STATE}, ("one thing",)),
        ({"meta": None, "state_dict": STATE}, ()),
        (STATE, ()),
    ],
)
def test_a_checkpoint_of_any_age_gives_its_state_and_classes(tmp_path, content, classes):
    torch.save(content, tmp_path / "x.pth")
    stored = read_content(tmp_path / "x.pth")
    assert weights_of(stored, tmp_path / "x.pth") == STATE
    assert classes_of(stored, tmp_path / "x.pth") == classes


@pytest.mark.parametrize(
    "meta",
    [
        *(3, {"dataset_meta": [1]}, {"classes": 7}, {"dataset_meta": torch.ones(2)}),
        {"classes": np.ones(2)},
    ],
)
def test_a_meta_that_names_no_classes_is_refused(meta):
    with pytest.raises(ModelFileError, match=r"x\.pth"):
        classes_of({"meta": meta}, Path("x.pth"))


def test_a_long_complaint_of_torch_is_cut_short(tiny_detector, tmp_path):
    model = build_model(read_config(tiny_detector / "config.py"))
    with pytest.raises(ModelFileError) as refused:
        load_into(model, {"backbone.conv1.weight": torch.zeros(2)}, tmp_path / "w.pth", "it")
    assert len(str(refused.value)) < len(str(tmp_path)) + 400


def test_saving_again_gives_the_same_bytes(tiny_detector, tmp_path):
    state = torch.load(tiny_detector / "weights.pth", weights_only=True)
    config = read_config(tiny_detector / "config.py")
    again = tmp_path / "made" / "again"
    for name in ("other", read_info(tiny_detector).name):  # the second time over the first
        save_detector(again, config, state, replace(read_info(tiny_detector), name=name))
    for name in ("config.py", "weights.pth", "detector.json"):
        assert (again / name).read_bytes() == (tiny_detector / name).read_bytes()
