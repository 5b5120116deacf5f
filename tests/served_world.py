"""A small project with real parts: detector, tagger and noun scorer, and a grounder never trained.

Its caches are made by the stages, from pictures with a bright rectangle each, so that what the
evaluate stage says of a phrase is what the same model must say of the picture itself. The
calibration of one variant is made by hand, since random weights teach nothing; the other has none.
"""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from models.classifier.classifier import load_classifier
from models.classifier.noun_head import NounHead, save_noun_head
from models.detector.checkpoint import DetectorInfo, save_detector
from models.detector.detector import load_detector
from models.grounder.checkpoint import save_grounder
from models.grounder.confidence import CONFIDENCE_FEATURES, Calibration
from models.phrases.noun_parser import NounParser
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params, train_params
from pipeline.paths import ResultFiles
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord, write_records
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sample_spec import write_sample_spec
from stages import cams, nouns, proposals
from stages.train import build_training
from tests.cached_world import FILES, write_world
from tests.tiny_detector import FIT, draw, train
from tests.tiny_tagger import write_tiny_tagger

IMAGES = FILES.annotations / "images"
RESULTS = ResultFiles("shapes", "full")
REG_RESULTS = ResultFiles("shapes", "reg_token")
LABELS = ("dog", "cup")
HW = {"a": (72, 96), "b": (96, 50), "c": (61, 83), "d": (52, 64), "e": (90, 71)}
TEST_IMAGES = ("c", "d", "e")
PHRASES = ("the red dog", "the dog on the cup", "left one !", "the blue cups", "the star")
CPU = torch.device("cpu")
CALIBRATION = Calibration(
    dict(zip(CONFIDENCE_FEATURES, (0.3, 0.2, 0.5, 0.7, 0.1), strict=True)), 0.4, 0.3, 23
)


def write_served_world(root: Path) -> None:
    """Write the project into `root`, which is the working directory."""
    write_world(root)
    add_variant()
    write_pictures()
    write_parts()
    params, observer = read_params(), Observer("nouns")
    parser = NounParser(FILES.weights / "tagger", "cpu", params.nouns.context_nouns)
    nouns.run(FILES, params.nouns, parser, observer)
    inputs = proposals.ProposalsInputs(FILES.annotations, IMAGES, FILES.weights / "detector")
    proposals.run(inputs, params.proposals, CPU, FILES.proposals, observer)
    cams.run(cams.CamsInputs(FILES, IMAGES, 0), params.cams, CPU, FILES.cams, observer)
    write_model(RESULTS)
    RESULTS.calibration.write_text(json.dumps(asdict(CALIBRATION)))
    write_model(REG_RESULTS)


def write_pictures():
    shutil.rmtree(IMAGES)
    IMAGES.mkdir()
    for number, (key, hw) in enumerate(HW.items()):
        Image.fromarray(draw(number, hw).image).save(IMAGES / f"{key}.png")
    splits = {key: "test" if key in TEST_IMAGES else "train" for key in HW}
    write_records(
        FILES.images, [ImageRecord(key, f"{key}.png", HW[key], splits[key]) for key in HW]
    )
    records = [
        PhraseRecord(f"{key}/{number}", key, splits[key], phrase)
        for key in HW
        for number, phrase in enumerate(PHRASES)
    ]
    write_records(FILES.phrases, records)
    truths = [GroundTruth(record.phrase_id, ((1.0, 2.0, 30.0, 40.0),)) for record in records]
    write_records(FILES.ground_truth, truths)


def write_parts():
    trained = train(replace(FIT, epochs=6))
    info = DetectorInfo("tiny", LABELS, "bright rectangles", "Apache-2.0")
    save_detector(FILES.weights / "detector", trained.config, trained.model.state_dict(), info)
    write_tiny_tagger(FILES.weights / "tagger")
    generator = torch.Generator().manual_seed(1)
    channels = load_classifier(FILES.weights / "classifier").class_weight.shape[1]
    weight = torch.randn(3, channels, generator=generator)
    save_noun_head(FILES.noun_head, NounHead(("cup", "dog", "star"), weight, torch.zeros(3)))
    manifest = {
        name: {"source": f"{name}.pth", "sha256": 64 * "a", "training_set": "x", "licence": "y"}
        for name in ("detector", "classifier", "tagger")
    }
    (FILES.weights / "manifest.json").write_text(json.dumps(manifest))


def add_variant():
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["variants"][REG_RESULTS.variant] = {"model.head": "reg_token"}
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


def write_model(results):
    """Save a grounder of random weights, also where a grounder before its training has zeros."""
    torch.manual_seed(0)
    tables = GroundingTables.from_caches(FILES, IMAGES, ("train",))
    params = train_params(read_params(), results.variant)
    step, dataset = build_training(FILES, tables, params, CPU)
    for name, weight in step.grounder.named_parameters():
        if name.endswith(("pair.last.weight", "shift.weight")):
            torch.nn.init.normal_(weight)
    text = dataset.text
    save_grounder(results.model, step.grounder, text.tokenize.tokenizer, text.vocabulary.words)
    write_sample_spec(results.model, dataset.spec)


def pixels_of(key):
    return np.asarray(Image.open(IMAGES / f"{key}.png"))


def detected(key):
    """Return what the detector says of a picture, asked apart from the model."""
    section = read_params().proposals
    return load_detector(FILES.weights / "detector", CPU, 1).detect(
        [pixels_of(key)],
        section.max_boxes,
        section.score_floor,
        section.nms_iou,
        per_class=section.nms == "per_class",
    )[0]
