"""A hand-made data set as the stages before `train` leave it: five pictures, written for real.

| id | split | height x width | what is special                                             |
|----|-------|----------------|-------------------------------------------------------------|
| a  | train | 72 x 96        | two nouns in a phrase                                       |
| b  | train | 96 x 50        | seven phrases, one proposal                                 |
| c  | train | 64 x 64        | no proposal; a noun without a map                           |
| d  | train | 40 x 90        | a phrase without a noun, one in Unicode, one of 40 words    |
| e  | test  | 60 x 60        | a word that training never saw                              |
"""

from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from models.classifier.classifier import Classifier, ClassifierInfo, build_network, save_classifier
from models.classifier.noun_head import NounHead, save_noun_head
from models.phrases.places import Anchor, Place
from pipeline.caching.cache import Provenance, write_cache
from pipeline.paths import DatasetFiles
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord, write_records
from tests.place_rows import place_rows

ROOT = Path(__file__).resolve().parents[1]
FILES = DatasetFiles("shapes")
HW = {"a": (72, 96), "b": (96, 50), "c": (64, 64), "d": (40, 90), "e": (60, 60)}
LONG = " ".join(["dog"] * 40)
PHRASES = {
    "a": ["the dog", "left cat", "dog near a cat"],
    "b": [f"{colour} cat" for colour in ("red", "blue", "green", "black", "white", "big", "small")],
    "c": ["a cup", "the cat"],
    "d": ["left one", "чашка ☕ crème", LONG],
    "e": ["the dog", "dog with an umbrella"],
}
MENTIONS = {  # (noun, role) of phrases that are not "... cat"
    "the dog": [("dog", 0)],
    "dog near a cat": [("dog", 0), ("cat", 1)],
    "a cup": [("cup", 0)],
    "left one": [],
    "чашка ☕ crème": [],
    LONG: [("dog", 0)],
    "dog with an umbrella": [("dog", 0), ("umbrella", 1)],
}
PLACES = {  # of phrases that say where their thing is
    "left cat": Place(frozenset({"left"})),
    "left one": Place(frozenset({"left"})),
    "dog near a cat": Place(relation="near", anchor=Anchor("cat", (9, 14))),
    "big cat": Place(frozenset({"large"})),
    "small cat": Place(frozenset({"small"})),
    "dog with an umbrella": Place(relation="touching", anchor=Anchor("umbrella", (9, 20))),
}
SUBJECTS = {"left cat": "cat", "dog near a cat": "dog", "big cat": "cat", "small cat": "cat"}
LABELS = ["dog", "cat", "thing"]
BOXES = {  # corners, score, label
    "a": [((8, 6, 40, 50), 0.9, 0), ((50, 10, 90, 70), 0.8, 1), ((0, 0, 96, 30), 0.3, 2)],
    "b": [((5, 20, 45, 80), 0.7, 1)],
    "c": [],
    "d": [((10, 5, 11, 6), 0.6, 0), ((30, 2, 80, 38), 0.5, 2)],
    "e": [((3, 4, 50, 55), 0.9, 0)],
}
CAM_NOUNS = ["cat", "dog"]
NOUN_HEAD = {"scorer": "nounhead", "scorer_settings": '{"prompt": "{}", "backgrounds": []}'}
SMALL = {  # what params.yaml must say for training to take seconds
    "image_px": 96,
    "epochs": 2,
    "batch_images": 2,
    "phrases_per_image": 3,
    "max_tokens": 12,
    "max_words": 6,
    "min_word_count": 1,
    "language": {"hidden": 16, "heads": 2, "vocabulary": 120},
    "model": {
        "depth": "1+1",
        "embed_dim": 16,
        "heads": 2,
        "ffn_dim": 16,
        "proposal_dim": 16,
        "decoder_dim": 16,
    },
    "loss": {"mining_px": 64},
}


def write_world(root: Path, **changes) -> None:
    """Write params.yaml, tables, pictures, weights and caches below `root`.

    Args:
        root: where a stage is to be run.
        changes: keys of `train` in params.yaml; mappings are merged.
    """
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    merge(values["train"], SMALL)
    merge(values["train"], changes)
    values["runtime"] = {**values["runtime"], "device": "cpu", "workers": 0}
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    write_tables(root)
    write_weights(root)
    write_nouns(root)
    write_proposals(root)
    write_cams(root)


def merge(target, changes):
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(target[key], value)
        else:
            target[key] = value


def split_of(image_id):
    return "test" if image_id == "e" else "train"


def write_tables(root):
    rng = np.random.default_rng(0)
    (root / FILES.annotations / "images").mkdir(parents=True)
    for image_id, hw in HW.items():
        pixels = rng.integers(0, 256, (*hw, 3), np.uint8)
        Image.fromarray(pixels).save(root / FILES.annotations / "images" / f"{image_id}.png")
    images = [ImageRecord(key, f"{key}.png", hw, split_of(key)) for key, hw in HW.items()]
    phrases = [
        PhraseRecord(f"{key}/{number}", key, split_of(key), phrase)
        for key, found in PHRASES.items()
        for number, phrase in enumerate(found)
    ]
    truth = [GroundTruth(record.phrase_id, ((1.0, 2.0, 30.0, 40.0),)) for record in phrases]
    write_records(root / FILES.images, images)
    write_records(root / FILES.phrases, phrases)
    write_records(root / FILES.ground_truth, truth)


def write_weights(root):
    torch.manual_seed(0)
    info = ClassifierInfo(
        "resnet10", 0.125, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), False, ("x", "y"), "noise", "none"
    )
    classifier = Classifier(build_network("resnet10", 0.125, 2), info)
    save_classifier(root / FILES.weights / "classifier", classifier)
    weight = 0.1 * torch.randn(2, classifier.class_weight.shape[1])
    save_noun_head(root / FILES.noun_head, NounHead(tuple(CAM_NOUNS), weight, torch.zeros(2)))


def mentions_of(phrase):
    return MENTIONS.get(phrase, [("cat", 0)])


def write_nouns(root):
    phrases = sorted({phrase for found in PHRASES.values() for phrase in found})
    flat = [mention for phrase in phrases for mention in mentions_of(phrase)]
    nouns = sorted({noun for noun, _ in flat})
    arrays = {
        "offsets": offsets([len(mentions_of(phrase)) for phrase in phrases]),
        "noun_index": np.array([nouns.index(noun) for noun, _ in flat], np.int32),
        "noun_role": np.array([role for _, role in flat], np.int8),
        "noun_span": np.zeros((len(flat), 2), np.int32),
        "has_direction": np.array(["left" in phrase for phrase in phrases]),
        "is_plural": np.array(["blue" in phrase for phrase in phrases]),
        **place_rows([PLACES.get(phrase, Place()) for phrase in phrases], nouns),
    }
    subjects = [SUBJECTS.get(phrase, phrase) for phrase in phrases]
    texts = {"phrase": phrases, "noun": nouns, "subject": subjects}
    write_cache(root / FILES.nouns, arrays, texts, {}, Provenance("nouns", "n"))


def write_proposals(root, files=FILES, labels=LABELS):
    flat = [row for found in BOXES.values() for row in found]
    arrays = {
        "offsets": offsets([len(found) for found in BOXES.values()]),
        "boxes_xyxy": np.array([box for box, _, _ in flat], np.float32),
        "scores": np.array([score for _, score, _ in flat], np.float32),
        "labels": np.array([label for _, _, label in flat], np.int16),
    }
    texts = {"image_id": list(HW), "label": labels}
    attributes = {"detector": "hand", "training_set": "none"}
    write_cache(root / files.proposals, arrays, texts, attributes, Provenance("proposals", "p"))


def cam_indices(image_id):
    nouns = {noun for phrase in PHRASES[image_id] for noun, _ in mentions_of(phrase)}
    return [index for index, noun in enumerate(CAM_NOUNS) if noun in nouns]


def write_cams(root, attributes=NOUN_HEAD):
    indices = [cam_indices(image_id) for image_id in HW]
    flat = [index for found in indices for index in found]
    maps = np.random.default_rng(1).normal(size=(len(flat), 5, 5)).astype(np.float16)
    arrays = {
        "offsets": offsets([len(found) for found in indices]),
        "noun_index": np.array(flat, np.int32),
        "maps": maps,
        "confidences": np.linspace(0.2, 0.9, len(flat), dtype=np.float32),
    }
    texts = {"image_id": list(HW), "noun": CAM_NOUNS}
    write_cache(root / FILES.cams, arrays, texts, attributes, Provenance("cams", "c"))


def offsets(counts):
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
