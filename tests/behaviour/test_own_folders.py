"""Folders that this project writes, damaged afterwards: every loader names the file."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.classifier.classifier import (
    Classifier,
    ClassifierInfo,
    build_network,
    load_classifier,
    save_classifier,
)
from models.classifier.noun_head import NounHead, load_noun_head, save_noun_head
from models.detector.checkpoint import DetectorInfo, build_model, read_detector, save_detector
from models.detector.small_faster_rcnn import small_detector_config
from models.given_files.safe_load import ModelFileError
from models.grounder.checkpoint import load_grounder
from tests.stages.evaluated_world import save_untrained

HEAD = NounHead(("cup", "dog", "tree"), torch.ones(3, 5), torch.zeros(3))
NARROW = ClassifierInfo("mobilenet_v2", 0.25, (0.5,) * 3, (0.25,) * 3, False, ("a",) * 7, "", "")


def edit_json(file, change):
    content = json.loads(file.read_text())
    file.write_text(json.dumps(change(content) or content))


def edit_weights(file, change):
    state = load_file(file)
    change(state)
    save_file(state, file)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("nouns.json", lambda nouns: nouns.append("star")),
        ("nouns.json", lambda _: {"cup": 1}),
        ("nouns.json", lambda _: ["cup", "dog", 3]),
        ("head.safetensors", lambda state: state.pop("bias")),
        ("head.safetensors", lambda state: state.update(scale=torch.ones(1))),
        ("head.safetensors", lambda state: state.update(bias=torch.zeros(4))),
        ("head.safetensors", lambda state: state.update(weight=torch.zeros(2, 5))),
    ],
)
def test_a_noun_head_has_a_row_for_each_noun(tmp_path, name, change):
    save_noun_head(tmp_path, HEAD)
    load_noun_head(tmp_path)
    (edit_json if name.endswith("json") else edit_weights)(tmp_path / name, change)
    with pytest.raises(ModelFileError, match=name):
        load_noun_head(tmp_path)


@pytest.mark.parametrize(
    "change", [{"width": 0.5}, {"arch": "squeezenet1_1", "width": 1.0}, {"classes": ["a", "b"]}]
)
def test_a_classifier_is_what_its_description_says(tmp_path, change):
    save_classifier(tmp_path, Classifier(build_network("mobilenet_v2", 0.25, 7), NARROW))
    load_classifier(tmp_path)
    edit_json(tmp_path / "classifier.json", lambda content: {**content, **change})
    with pytest.raises(ModelFileError, match=r"weights\.safetensors.*classifier\.json") as raised:
        load_classifier(tmp_path)
    assert len(str(raised.value)) < 700


def test_a_detector_names_as_many_classes_as_it_has(tmp_path):
    config = small_detector_config(2, 8, 12.0, 64)
    state = build_model(config).state_dict()
    save_detector(tmp_path, config, state, DetectorInfo("d", ("red", "blue"), "", ""))
    read_detector(tmp_path)
    edit_json(tmp_path / "detector.json", lambda content: {**content, "classes": ["red"]})
    with pytest.raises(ModelFileError, match=r"detector\.json.*1 classes.*config\.py.*2"):
        read_detector(tmp_path)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return save_untrained(tmp_path, model={}).model


FAULTS = {
    "no vocabulary": ("tokenizer", lambda folder: (folder / "tokenizer.json").unlink()),
    "vocabulary of zeros": (
        "tokenizer.json",
        lambda folder: (folder / "tokenizer.json").write_bytes(b"\0" * 99),
    ),
    "a piece less": (
        "tokenizer.json",
        lambda folder: edit_json(
            folder / "tokenizer.json", lambda content: content["model"]["vocab"].popitem() and None
        ),
    ),
    "a word less": (
        "words.json",
        lambda folder: edit_json(folder.parent / "words.json", lambda words: words[:-1]),
    ),
    "no language": ("language.json", lambda folder: (folder.parent / "language.json").unlink()),
    "a weight less": (
        "grounder.safetensors",
        lambda folder: edit_weights(folder.parent / "grounder.safetensors", dict.popitem),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_grounder_s_folder_is_whole(model, tmp_path, fault):
    folder = tmp_path / "copy"
    shutil.copytree(model, folder)
    load_grounder(folder)
    name, damage = FAULTS[fault]
    damage(folder / "tokenizer")
    with pytest.raises(ModelFileError, match=name):
        load_grounder(folder)
