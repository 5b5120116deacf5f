import json
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.classifier.classifier import (
    ClassifierInfo,
    build_network,
    imagenet_classes,
    load_classifier,
)
from models.detector.checkpoint import DetectorInfo, read_info
from models.detector.detector import load_detector
from models.given_files.safe_load import ModelFileError
from models.pretrained.convert import (
    convert_bottom_up,
    convert_classifier,
    convert_detector,
    copy_folder,
    copy_transformers,
    read_vocabulary,
)
from tests.models.detector import bottom_up_original as original
from tests.tiny_bert import write_tiny_bert
from tests.tiny_clip import write_tiny_clip

CPU = torch.device("cpu")
INFO = DetectorInfo("bottom-up", (), "Visual Genome", "MIT")
CLASSES = ("yolk", "stop sign", "cat", "hot dog", "café")
VOCABULARY = "yolk\nstop sign,stopsign\nCat\nhot dog,hotdog \ncafé\n\n"


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


@pytest.mark.parametrize("family", ["caffe", "detectron2"])
def test_classes_are_the_first_name_of_each_line(tmp_path, family):
    source = write_checkpoint(tmp_path, family, original.random_checkpoint(family, len(CLASSES)))
    convert_bottom_up(source, tmp_path / "objects_vocab.txt", INFO, tmp_path / "detector")
    assert read_info(tmp_path / "detector") == replace(INFO, classes=CLASSES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("roi_heads.box_predictor.cls_score.weight"),
            r"roi_heads\.box_predictor\.cls_score\.weight",
        ),
        (lambda state: state.pop("backbone.stem.conv1.norm.bias"), r"bn1\.bias"),
        (
            lambda state: state.update({"backbone.stem.norm.bias": torch.ones(3)}),
            r"stem\.norm\.bias",
        ),
        (
            lambda state: state.update({"backbone.res4.6.conv1.weight": torch.ones(1)}),
            r"\b7\b.*res4",
        ),
        (
            lambda state: state.update({"roi_heads.box_predictor.bbox_pred.weight": torch.ones(9)}),
            r"\b6\b.*\b9\b",
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
    with pytest.raises(ModelFileError, match=r"objects_vocab\.txt.*\b5\b.*\b7\b"):
        convert_bottom_up(source, tmp_path / "objects_vocab.txt", INFO, tmp_path / "out")


def test_a_vocabulary_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "words.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match=r"words\.txt"):
        read_vocabulary(tmp_path / "words.txt")


YOLOX = "yolox/yolox_nano_8xb8-300e_coco.py"


def read_example_info():
    return DetectorInfo("yolox", (), "COCO train2017", "Apache-2.0")


@pytest.fixture(scope="module")
def yolox(real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("yolox")
    convert_detector(real / "weights" / "yolox_nano_mmdet.pth", YOLOX, read_example_info(), folder)
    return load_detector(folder, CPU, batch_images=8)


def test_a_checkpoint_must_name_as_many_classes_as_its_config(tmp_path):
    torch.save({"meta": {"CLASSES": ("cat",)}, "state_dict": {}}, tmp_path / "x.pth")
    with pytest.raises(ModelFileError, match=r"x\.pth.*\b1\b.*\b80\b"):
        convert_detector(tmp_path / "x.pth", YOLOX, read_example_info(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.real
def test_yolox_names_coco_s_classes(yolox):
    assert (len(yolox.info.classes), yolox.info.classes[0]) == (80, "person")
    assert replace(yolox.info, classes=()) == read_example_info()
    assert json.dumps(yolox.info.classes[-1]) == '"toothbrush"'


def test_a_converted_detector_has_the_weights_and_classes_of_its_checkpoint(
    tiny_detector, tmp_path
):
    state = torch.load(tiny_detector / "weights.pth", weights_only=True)
    meta = {"dataset_meta": {"classes": ("red", "blue"), "palette": None}}
    torch.save({"meta": meta, "state_dict": state, "epoch": 3}, tmp_path / "x.pth")
    config = str(tiny_detector / "config.py")
    convert_detector(tmp_path / "x.pth", config, read_example_info(), tmp_path / "out")
    assert read_info(tmp_path / "out").classes == ("red", "blue")
    converted = torch.load(tmp_path / "out" / "weights.pth", weights_only=True)
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[name], state[name]) for name in state)


def test_a_checkpoint_that_holds_more_than_tensors_is_refused(tmp_path):
    for content in ({"model": {"a": "text"}}, {"model": [torch.ones(1)]}):
        torch.save(content, tmp_path / "bua.pth")
        with pytest.raises(ModelFileError, match=r"bua\.pth"):
            convert_bottom_up(tmp_path / "bua.pth", tmp_path / "w", INFO, tmp_path / "out")


def classifier_info(arch):
    return ClassifierInfo(arch, 1.0, (0.5,) * 3, (0.25,) * 3, False, (), "ImageNet-1k", "none")


def test_a_converted_classifier_has_the_weights_and_imagenets_classes(tmp_path):
    network = build_network("squeezenet1_1", 1.0, 1000)
    torch.save(network.state_dict(), tmp_path / "c.pth")
    convert_classifier(tmp_path / "c.pth", classifier_info("squeezenet1_1"), tmp_path / "out")
    loaded = load_classifier(tmp_path / "out")
    assert loaded.classes == imagenet_classes()
    for name, weight in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], weight)
    with pytest.raises(ModelFileError, match=r"c\.pth.*resnet18"):
        convert_classifier(tmp_path / "c.pth", classifier_info("resnet18"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_converted_classifier_of_timm_has_the_weights_of_either_kind_of_file(tmp_path, suffix):
    state = build_network("timm/test_efficientnet", 1.0, 1000).state_dict()
    source = tmp_path / f"c.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, source)
    convert_classifier(source, classifier_info("timm/test_efficientnet"), tmp_path / "out")
    loaded = load_classifier(tmp_path / "out")
    assert loaded.classes == imagenet_classes()
    torch.testing.assert_close(loaded.network.state_dict(), state, rtol=0, atol=0)
    with pytest.raises(ModelFileError, match=rf"c\.{suffix}.*timm/test_resnet"):
        convert_classifier(source, classifier_info("timm/test_resnet"), tmp_path / "other")


@pytest.fixture
def folder(tmp_path):
    """A model folder as others publish them: weights of both kinds, texts, and something else."""
    source = tmp_path / "source"
    (source / "en").mkdir(parents=True)
    torch.save({"a": torch.ones(2)}, source / "en" / "a.pt")
    torch.save({"c": torch.ones(5)}, source / "pytorch_model.bin")
    save_file({"b": torch.zeros(3)}, source / "model.safetensors")
    (source / "config.json").write_text("{}")
    (source / "README.md").write_text("no part of it")
    return source


PATTERNS = ("*.json", "en/*.pt", "model.*", "*.bin")


def test_a_folder_is_copied_byte_by_byte_where_a_pattern_names_it(folder, tmp_path):
    copy_folder(folder, tmp_path / "below" / "out", PATTERNS)
    copied = {
        path.relative_to(tmp_path / "below" / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "below" / "out").rglob("*")
        if path.is_file()
    }
    assert set(copied) == {"config.json", "en/a.pt", "model.safetensors", "pytorch_model.bin"}
    assert all((folder / name).read_bytes() == content for name, content in copied.items())


@pytest.mark.parametrize("name", ["en/a.pt", "model.safetensors", "pytorch_model.bin"])
def test_of_a_folder_with_cut_off_weights_nothing_is_copied(folder, tmp_path, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFileError, match=name):
        copy_folder(folder, tmp_path / "out", PATTERNS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["other.json", "model.more.safetensors"])
def test_a_folder_in_the_place_of_a_file_is_named(folder, tmp_path, name):
    (folder / name).mkdir()
    with pytest.raises(ModelFileError, match=name):
        copy_folder(folder, tmp_path / "out", PATTERNS)


def test_a_vocabulary_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"words\.txt"):
        read_vocabulary(tmp_path / "words.txt")


def test_a_vocabulary_has_a_class_a_line_whatever_is_in_it(tmp_path):
    text = "\ufeffYolk\r\negg\x0cshell\n\nstop sign,sign\n Wine Glass ,glass\n"
    (tmp_path / "words.txt").write_bytes(text.encode())
    assert read_vocabulary(tmp_path / "words.txt") == (
        *("yolk", "egg\x0cshell", "stop sign", "wine glass"),
    )


@pytest.mark.parametrize(("kind", "write"), [("bert", write_tiny_bert), ("clip", write_tiny_clip)])
def test_a_folder_of_transformers_is_copied_if_its_model_has_every_weight(tmp_path, kind, write):
    source = write(tmp_path / "source")
    copy_transformers(source, tmp_path / "whole", ("*.json", "*.safetensors"), kind)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if (source / name).is_file():
            assert (tmp_path / "whole" / name).read_bytes() == (source / name).read_bytes()
    state = load_file(source / "model.safetensors")
    last = [key for key in sorted(state) if ".layers.2." in key or ".layer.1." in key][-1]
    del state[last]
    save_file(state, source / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelFileError, match=last):
        copy_transformers(source, tmp_path / "cut", ("*.json", "*.safetensors"), kind)
    (source / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"config\.json"):
        copy_transformers(source, tmp_path / "none", ("*.json",), kind)


def test_a_list_of_classes_that_is_another_file_is_refused(tmp_path):
    (tmp_path / "names.txt").write_text("<!DOCTYPE html>\n<title>404</title>")
    with pytest.raises(ModelFileError, match=r"names\.txt"):
        read_vocabulary(tmp_path / "names.txt")
