"""Checkpoints as other programs write them, and configs that somebody broke."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v2

from models.classifier.classifier import ClassifierInfo, load_classifier
from models.detector.checkpoint import DetectorInfo, build_model, read_config
from models.given_files.safe_load import ModelFileError
from models.pretrained.convert import convert_bottom_up, convert_classifier, convert_detector
from tests.models.detector.bottom_up_original import random_checkpoint

CONFIG = "yolox/yolox_nano_8xb8-300e_coco.py"
INFO = DetectorInfo("d", (), "COCO", "Apache-2.0")
CLASSES = tuple(f"thing {number}" for number in range(80))
NETWORK = ClassifierInfo("mobilenet_v2", 1.0, (0.5,) * 3, (0.25,) * 3, False, (), "ImageNet", "BSD")


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return build_model(read_config(CONFIG)).state_dict()


WRAPPED = {
    "a runner's": lambda state: {"state_dict": state, "message_hub": {}, "ema_state_dict": state},
    "data parallel": lambda state: {"model": {f"module.{key}": state[key] for key in state}},
    "averaged": lambda state: {"ema": {"module": state, "updates": 3}},
    "arrays": lambda state: {"params": {key: value.numpy() for key, value in state.items()}},
}


@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_detector_is_found_wherever_its_weights_lie(tmp_path, state, wrap):
    meta = {"dataset_meta": {"classes": CLASSES}, "loss": np.float64(3)}
    torch.save({"meta": meta, **WRAPPED[wrap](state)}, tmp_path / "d.pth")
    convert_detector(tmp_path / "d.pth", CONFIG, INFO, tmp_path / "out")
    found = torch.load(tmp_path / "out" / "weights.pth", weights_only=True)
    torch.testing.assert_close(found, dict(state), rtol=0, atol=0)


@pytest.mark.parametrize("wrap", ["data parallel", "averaged", "arrays"])
def test_a_classifier_and_a_bottom_up_detector_too(tmp_path, wrap):
    state = mobilenet_v2().state_dict()
    torch.save(WRAPPED[wrap](state), tmp_path / "c.pth")
    convert_classifier(tmp_path / "c.pth", NETWORK, tmp_path / "classifier")
    found = load_classifier(tmp_path / "classifier").network.state_dict()
    torch.testing.assert_close(dict(found), dict(state), rtol=0, atol=0)
    torch.save(WRAPPED[wrap](random_checkpoint("caffe", 2)), tmp_path / "vg.pth")
    (tmp_path / "words.txt").write_text("cat\ndog\n")
    convert_bottom_up(tmp_path / "vg.pth", tmp_path / "words.txt", INFO, tmp_path / "detector")
    assert (tmp_path / "detector" / "weights.pth").is_file()


def test_two_sets_of_weights_are_refused_for_every_kind(tmp_path):
    state = mobilenet_v2().state_dict()
    torch.save({"model": state, "model_ema": state}, tmp_path / "x.pth")
    converts = (
        lambda: convert_classifier(tmp_path / "x.pth", NETWORK, tmp_path / "out"),
        lambda: convert_bottom_up(tmp_path / "x.pth", tmp_path / "w", INFO, tmp_path / "out"),
    )
    for convert in converts:
        with pytest.raises(ModelFileError, match=r"x\.pth.*model, model_ema"):
            convert()


def test_another_architecture_names_file_and_key(tmp_path):
    torch.save(mobilenet_v2(width_mult=0.5).state_dict(), tmp_path / "x.pth")
    with pytest.raises(ModelFileError, match=r"x\.pth.*mobilenet_v2.*`arch`") as raised:
        convert_classifier(tmp_path / "x.pth", NETWORK, tmp_path / "out")
    assert len(str(raised.value)) < 600


HEAD = "model = dict(type='YOLOX', bbox_head=dict(type='YOLOXHead', num_classes=80))\n"
STEPS = "test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackDetInputs')]\n"
BROKEN = {
    "syntax": "model = dict(type='YOLOX'\n",
    "unknown name": "model = dict(type=YOLOX)\n",
    "no model": STEPS,
    "no pipeline": HEAD,
    "pipeline of a dataset that lacks it": HEAD + "test_dataloader = dict(dataset=dict())\n",
    "empty pipeline": HEAD + "test_pipeline = []\n",
    "step without type": HEAD + "test_pipeline = [dict(a=1), dict(type='PackDetInputs')]\n",
    "no such base": "_base_ = './nothing.py'\n" + HEAD,
    "broken base": "_base_ = './base.py'\n" + HEAD,
    "unknown model": HEAD.replace("YOLOX'", "YOLOZ'") + STEPS,
    "unknown part": HEAD.replace("YOLOXHead", "NoHead") + STEPS,
    "unknown argument": HEAD.replace("type='YOLOX',", "type='YOLOX', colour='red',") + STEPS,
    "model without type": "model = dict(num_classes=80)\n" + STEPS,
    "model is no mapping": "model = 3\n" + STEPS,
    "custom import": "custom_imports = dict(imports=['no_such_package'])\n" + HEAD,
    "division": "a = 1 / 0\n" + HEAD,
    "empty": "",
    "page": "<!doctype html>",
    "zeros": "\0" * 99,
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("suffix", [".py"])
def test_a_broken_config_is_one_error_that_names_it(tmp_path, state, fault, suffix):
    file = tmp_path / f"mine{suffix}"
    file.write_text(BROKEN[fault])
    (tmp_path / "base.py").write_text("a = (\n")
    meta = {"dataset_meta": {"classes": CLASSES}}
    torch.save({"meta": meta, "state_dict": state}, tmp_path / "d.pth")
    with pytest.raises(ModelFileError, match=r"mine\.py") as raised:
        convert_detector(tmp_path / "d.pth", str(file), INFO, tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("suffix", "text"), [(".yaml", "a: [1\n"), (".json", '{"a": ')])
def test_a_broken_config_in_another_language_too(tmp_path, suffix, text):
    file = tmp_path / f"mine{suffix}"
    file.write_text(text)
    with pytest.raises(ModelFileError, match=file.name):
        read_config(file)


def test_a_config_of_another_number_of_classes_names_both(tmp_path, state):
    shipped = Path(read_config(CONFIG).filename)
    config = tmp_path / "mine.py"
    config.write_text(f"_base_ = {str(shipped)!r}\nmodel = dict(bbox_head=dict(num_classes=20))\n")
    for classes, key in ((CLASSES, "num_classes"), (CLASSES[:20], "bbox_head")):
        torch.save(
            {"meta": {"dataset_meta": {"classes": classes}}, "state_dict": state},
            tmp_path / "d.pth",
        )
        with pytest.raises(ModelFileError, match=rf"d\.pth.*mine\.py.*{key}"):
            convert_detector(tmp_path / "d.pth", str(config), INFO, tmp_path / "out")
