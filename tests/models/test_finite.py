"""Trainings of the embedded parts that blow up, and what then is written: nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.classifier.classifier import (
    Classifier,
    ClassifierInfo,
    build_network,
    load_classifier,
    save_classifier,
)
from models.classifier.noun_head import NounHead, load_noun_head, save_noun_head
from models.classifier.train_classifier import ClassifierFit, train_classifier
from models.classifier.train_noun_head import NounHeadFit, fit_noun_head
from models.detector.checkpoint import DetectorInfo, save_detector
from models.detector.detector import load_detector
from models.detector.train_detector import DetectorFit
from models.finite import check_loss
from models.given_files.safe_load import ModelFileError, NonFiniteError, check_weights
from models.phrases import train_tagger
from tests.tiny_detector import train
from tests.tiny_tagger import write_tiny_tagger


@pytest.mark.parametrize("loss", [float("nan"), float("-inf"), torch.tensor(float("inf"))])
def test_step_and_epoch_of_a_bad_loss_are_counted_from_one(loss):
    with pytest.raises(NonFiniteError, match=r"step 8, in epoch 3"):
        check_loss(loss, step=7, steps_per_epoch=3)
    check_loss(torch.tensor(1e30), step=7, steps_per_epoch=3)


@pytest.mark.filterwarnings("error")
def test_a_loss_that_has_a_gradient_is_read_without_a_warning():
    check_loss(torch.tensor(1e30, requires_grad=True), step=7, steps_per_epoch=3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_bad_weight_is_named_of_whatever_precision(dtype):
    state = {"steps": torch.tensor(3), "note": "text", "empty": torch.zeros(0), "deep.bias": None}
    check_weights(state, "x.pth")
    bad = torch.zeros(2, 3, dtype=dtype)
    bad[1, 2] = torch.nan
    with pytest.raises(NonFiniteError, match=r"x\.pth: .*deep\.bias"):
        check_weights(state | {"deep.bias": bad}, "x.pth")


def test_a_classifier_that_blows_up_says_so():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (40, 48, 3)).astype(np.uint8) for _ in range(8)]
    fit = ClassifierFit("resnet10", 0.125, 4, 1e20, 1e-4, batch_images=4, seed=0)
    with pytest.raises(NonFiniteError, match=r"step \d+, in epoch \d"):
        train_classifier(pictures, [0, 1] * 4, ("a", "b"), fit, iter)


def test_a_noun_head_that_blows_up_says_so():
    features = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    fit = NounHeadFit(30, 1e20, 10.0, 0.2, batch_images=7, seed=0)
    with pytest.raises(NonFiniteError, match=r"step \d+, in epoch \d"):
        fit_noun_head(features, features > 0.5, ("a", "b", "c"), fit, iter)
    features[11, 2] = torch.nan
    with pytest.raises(NonFiniteError, match=r"step 1, in epoch 1"):
        fit_noun_head(
            features, features > 0.5, ("a", "b", "c"), replace(fit, learning_rate=0.1), iter
        )


def test_a_detector_that_blows_up_says_so():
    fit = DetectorFit(epochs=4, batch_images=2, learning_rate=1e20, base_channels=8, seed=2)
    with pytest.raises(NonFiniteError, match=r"step \d+, in epoch \d"):
        train(fit, num_pictures=4)


def test_a_tagger_that_blows_up_says_so_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(train_tagger._SETTINGS, "max_grad_norm", float("nan"))
    with pytest.raises(NonFiniteError, match=r"step \d+, in epoch \d"):
        write_tiny_tagger(tmp_path / "tagger", steps=10)
    assert not (tmp_path / "tagger").exists()


def test_a_classifier_that_is_not_finite_is_neither_written_nor_read(tmp_path, monkeypatch):
    info = ClassifierInfo("resnet10", 0.125, (0.5,) * 3, (0.5,) * 3, False, ("a", "b"), "x", "y")
    classifier = Classifier(build_network("resnet10", 0.125, 2), info)
    classifier.network.fc.bias.data[1] = torch.inf
    with pytest.raises(ModelFileError, match=r"fc\.bias"):
        save_classifier(tmp_path / "bad", classifier)
    assert not (tmp_path / "bad").exists()
    monkeypatch.setattr("models.classifier.classifier.check_weights", lambda *_: None)
    save_classifier(tmp_path / "bad", classifier)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"weights\.safetensors: .*fc\.bias"):
        load_classifier(tmp_path / "bad")


def test_a_noun_head_that_is_not_finite_is_neither_written_nor_read(tmp_path, monkeypatch):
    head = NounHead(("a",), torch.tensor([[1.0, torch.nan]]), torch.zeros(1))
    with pytest.raises(ModelFileError, match="weight"):
        save_noun_head(tmp_path / "bad", head)
    assert not (tmp_path / "bad").exists()
    monkeypatch.setattr("models.classifier.noun_head.check_weights", lambda *_: None)
    save_noun_head(tmp_path / "bad", head)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"head\.safetensors"):
        load_noun_head(tmp_path / "bad")


def test_a_detector_that_is_not_finite_is_neither_written_nor_read(tmp_path, monkeypatch):
    fit = DetectorFit(epochs=1, batch_images=2, learning_rate=0.001, base_channels=8, seed=2)
    trained = train(fit, num_pictures=2)
    state = trained.model.state_dict()
    name = next(name for name, value in state.items() if value.is_floating_point())
    state[name].view(-1)[0] = torch.nan
    info = DetectorInfo("tiny", ("red", "blue"), "x", "y")
    with pytest.raises(ModelFileError, match=name):
        save_detector(tmp_path / "bad", trained.config, state, info)
    assert not (tmp_path / "bad").exists()
    monkeypatch.setattr("models.detector.checkpoint.check_weights", lambda *_: None)
    save_detector(tmp_path / "bad", trained.config, state, info)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"weights\.pth: .*" + name):
        load_detector(tmp_path / "bad", torch.device("cpu"), 1)
