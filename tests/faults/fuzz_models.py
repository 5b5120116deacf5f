"""Readers of weights and of the folders of models, each with good files."""

import json
import pickle
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import torch

from models.classifier.classifier import (
    Classifier,
    ClassifierInfo,
    build_network,
    load_classifier,
    save_classifier,
)
from models.classifier.noun_head import NounHead, load_noun_head, save_noun_head
from models.detector.checkpoint import (
    DetectorInfo,
    build_model,
    classes_of,
    num_classes_of,
    read_config,
    read_detector,
    save_detector,
)
from models.detector.small_faster_rcnn import small_detector_config
from models.given_files.safe_load import check_weights, read_content, weights_of
from models.grad_cam.clip_scorer import load_clip_scorer
from models.grounder.checkpoint import load_grounder
from models.grounder.encoders.language_encoder import check_tokenizer, load_language, load_tokenizer
from models.noun_classes.wordnet import read_wordnet
from models.phrases.noun_parser import NounParser
from models.pretrained.convert import copy_folder, copy_transformers, read_vocabulary
from pipeline.params.read import read_params
from pipeline.samples.sample_spec import read_sample_spec
from pipeline.serving.model_folder import PACKED_FILE, file_hashes, find_parts
from pipeline.serving.settings import settings_of
from pipeline.training.curves import CurveFile
from pipeline.training.loop import CURVES, STEPS_PER_ROW
from tests.faults.fuzz_data import RESULTS, ROOT, _evaluated
from tests.faults.fuzz_reader import Reader, damaged_file
from tests.faults.fuzz_watch import Outcome
from tests.pipeline.training.test_loop import Counted, runner_of
from tests.tiny_bert import write_tiny_bert
from tests.tiny_clip import write_tiny_clip
from tests.tiny_tagger import write_tiny_tagger
from tests.tiny_wordnet import write_tiny_wordnet

CLASSES = ("dog", "cup")
NARROW = ClassifierInfo("mobilenet_v2", 0.25, (0.5,) * 3, (0.25,) * 3, False, ("a",) * 7, "", "")


def small_state() -> dict:
    generator = torch.Generator().manual_seed(0)
    shapes = {"conv.weight": (3, 2, 3, 3), "conv.bias": (3,), "fc.weight": (5, 7)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def write_weights(folder: Path) -> None:
    state = small_state()
    meta = {"dataset_meta": {"classes": CLASSES}, "mmengine_version": "0.10"}
    torch.save({"state_dict": state, "meta": meta, "message_hub": {}}, folder / "a.pth")
    torch.save(state, folder / "b.pth", _use_new_zipfile_serialization=False)
    arrays = {name: value.numpy() for name, value in state.items()}
    (folder / "c.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "x"}, 2))
    torch.save({"model": arrays, "epoch": np.float64(3)}, folder / "d.pth")
    from safetensors.torch import save_file

    save_file(state, folder / "e.safetensors", {"format": "pt"})


def read_weights(folder: Path) -> Outcome:
    path = damaged_file(folder, "a.pth")
    content = read_content(path)
    state = weights_of(content, path)
    check_weights(state, path)
    return Outcome(len(state) + len(classes_of(content, path)))


def write_detector(folder: Path) -> None:
    config = small_detector_config(2, 8, 12.0, 64)
    state = build_model(config).state_dict()
    save_detector(folder, config, state, DetectorInfo("d", CLASSES, "drawn", "Apache-2.0"))


def read_detector_folder(folder: Path) -> Outcome:
    return Outcome(len(read_detector(folder).info.classes))


def write_given_config(folder: Path) -> None:
    config = small_detector_config(2, 8, 12.0, 64)
    plain = json.loads(json.dumps(config.to_dict()))
    (folder / "given.json").write_text(json.dumps(plain))


def read_given_config(folder: Path) -> Outcome:
    return Outcome(num_classes_of(read_config(folder / "given.json")))


def write_heads(folder: Path) -> None:
    save_noun_head(folder, NounHead(("cup", "dog", "tree"), torch.ones(3, 5), torch.zeros(3)))
    save_classifier(folder, Classifier(build_network("mobilenet_v2", 0.25, 7), NARROW))


def read_heads(folder: Path) -> Outcome:
    return Outcome(len(load_noun_head(folder).nouns) + len(load_classifier(folder).classes))


def write_grounder(folder: Path) -> None:
    shutil.copytree(_evaluated() / RESULTS.model, folder, dirs_exist_ok=True)


def read_grounder(folder: Path) -> Outcome:
    saved = load_grounder(folder)
    read_sample_spec(folder)
    saved.tokenizer(["the red dog"])
    return Outcome(len(saved.words))


def write_packed(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "words.json").write_text("[]")
    settings = json.loads(json.dumps(settings_of(read_params(ROOT / "params.yaml")), default=vars))
    content = {"format": 1, "dataset": "a", "variant": "b", "settings": settings}
    content["files"] = file_hashes(folder)
    (folder / PACKED_FILE).write_text(json.dumps(content))


def read_packed_folder(folder: Path) -> Outcome:
    return Outcome(1 if find_parts(folder).settings else 0)


@cache
def _made(write) -> Path:
    """Return a folder that costs seconds to make; once in a process."""
    import tempfile

    return write(Path(tempfile.mkdtemp(prefix="fuzz-made-")) / "made")


def copy_of(write):
    """Return a function that copies such a folder."""
    return lambda folder: shutil.copytree(_made(write), folder, dirs_exist_ok=True)


def read_bert(folder: Path) -> Outcome:
    copy_transformers(folder, folder / "copied", ("*.json", "*.txt", "*.safetensors"), "bert")
    encoder = load_language(folder, 1)
    tokenizer = load_tokenizer(folder)
    check_tokenizer(tokenizer, encoder, folder)
    return Outcome(len(tokenizer(["the red circle"])["input_ids"]))


def read_clip(folder: Path) -> Outcome:
    return Outcome(len(load_clip_scorer(folder, "a {}", ("dog", "cup"), ("wall", "sky")).nouns))


def read_tagger(folder: Path) -> Outcome:
    parser = NounParser(folder, "cpu", 1)
    copy_folder(folder, folder / "copied", ("resources.json", "en/*/*.pt"))
    return Outcome(len(parser.parse(["the red dog"])))


def write_texts(folder: Path) -> None:
    write_tiny_wordnet(folder)
    (folder / "vocabulary.txt").write_text("man,person\ndog\ncup\n")


def read_texts(folder: Path) -> Outcome:
    read_wordnet(folder)
    return Outcome(len(read_vocabulary(folder / "vocabulary.txt")))


def write_training(folder: Path) -> None:
    runner_of(folder, Counted()).train()


def go_on_training(folder: Path) -> Outcome:
    """Go on where a training ended; a checkpoint that is passed over is a skip."""
    passed_over: list[str] = []
    runner = runner_of(folder, Counted(), epochs=3, log=passed_over.append)
    runner.load_or_resume()
    curves = CurveFile(folder / CURVES, STEPS_PER_ROW, runner.epoch)
    curves.add(runner.epoch + 1, runner.iter + 1, {"learning_rate": 0.5, "loss": 1.0})
    curves.end_epoch(runner.epoch + 1, runner.iter + 1, 0.0)
    return Outcome(int(not passed_over), len(passed_over))


READERS = {
    "weights": Reader(write_weights, read_weights, ("*",), weight=12),
    "detector": Reader(write_detector, read_detector_folder, ("*",), weight=3),
    "mmdet_config": Reader(write_given_config, read_given_config, ("*",), weight=2),
    "heads": Reader(write_heads, read_heads, ("*",), weight=4),
    "grounder": Reader(write_grounder, read_grounder, ("*.*", "tokenizer/*"), weight=3),
    "packed": Reader(write_packed, read_packed_folder, ("*.json",), weight=3, is_named=False),
    "bert": Reader(copy_of(write_tiny_bert), read_bert, ("*.*",), weight=3),
    "clip": Reader(copy_of(write_tiny_clip), read_clip, ("*.*",), weight=2),
    "stanza": Reader(copy_of(write_tiny_tagger), read_tagger, ("*.json", "en/**/*.pt"), weight=2),
    "training": Reader(write_training, go_on_training, ("*.pth", "*.csv"), weight=3),
    "texts": Reader(write_texts, read_texts, ("*",), weight=2),
}
