"""Seven small pictures, their phrases and nouns, and a classifier with random weights."""

import numpy as np
import torch
from PIL import Image

from models.classifier.classifier import load_classifier, save_classifier
from models.classifier.noun_head import NounHead, save_noun_head
from models.phrases.places import Anchor, Place
from pipeline.caching.cache import Provenance, write_cache
from pipeline.paths import DatasetFiles
from pipeline.records import ImageRecord, PhraseRecord, write_records
from tests.models.classifier.tiny_classifier import tiny_classifier
from tests.place_rows import place_rows

CLASSES = ("red fox", "tabby", "wooden house")
HEAD_NOUNS = ("fox", "hut", "cat")
SIZES_HW = [(40, 66), (52, 31), (33, 33), (64, 48), (20, 90), (47, 47), (35, 58)]
SPLITS = ["train", "train", "val", "train", "train", "val", "train"]
GREY = 3
PHRASES = {  # text -> nouns, head first
    "a fox by a hut": ["fox", "hut"],
    "the hut": ["hut"],
    "a fox": ["fox"],
    "that one": [],
    "ein Fuchs ü": ["fox"],
    "a zebra": ["zebra"],
}
PLACES = {"a fox by a hut": Place(relation="near", anchor=Anchor("hut", (9, 14)))}
SAID = [  # of each image
    ["a fox by a hut", "the hut"],
    ["a fox", "a zebra"],
    ["that one"],
    ["the hut"],
    [],
    ["a fox", "that one", "a fox by a hut"],
    ["ein Fuchs ü"],
]


def make_world() -> DatasetFiles:
    """Write everything below the working directory."""
    files = DatasetFiles("shapes")
    _write_pictures(files.annotations / "images")
    _write_records(files)
    _write_nouns(files.nouns)
    save_classifier(files.weights / "classifier", tiny_classifier(classes=CLASSES))
    return files


def add_noun_head(files: DatasetFiles, nouns=HEAD_NOUNS) -> NounHead:
    """Write a head of random weights for `nouns`."""
    channels = load_classifier(files.weights / "classifier").class_weight.shape[1]
    noise = torch.Generator().manual_seed(3)
    weight = torch.randn(len(nouns), channels, generator=noise)
    head = NounHead(tuple(nouns), weight, torch.linspace(-1, 1, len(nouns)))
    save_noun_head(files.noun_head, head)
    return head


def _write_pictures(folder):
    folder.mkdir(parents=True)
    for index, image_hw in enumerate(SIZES_HW):
        pixels = np.random.default_rng(index).integers(0, 256, (*image_hw, 3), np.uint8)
        picture = Image.fromarray(pixels)
        (picture.convert("L") if index == GREY else picture).save(folder / f"{index}.png")


def _write_records(files):
    images = [
        ImageRecord(f"id{index}", f"{index}.png", SIZES_HW[index], SPLITS[index])
        for index in range(len(SIZES_HW))
    ]
    phrases = [
        PhraseRecord(f"id{index}-{number}", f"id{index}", SPLITS[index], phrase)
        for index, said in enumerate(SAID)
        for number, phrase in enumerate(said)
    ]
    write_records(files.images, images)
    write_records(files.phrases, phrases)


def _write_nouns(path):
    names = sorted({noun for nouns in PHRASES.values() for noun in nouns})
    texts = sorted(PHRASES)
    flat = [
        (names.index(noun), min(place, 1))
        for text in texts
        for place, noun in enumerate(PHRASES[text])
    ]
    lengths = [len(PHRASES[text]) for text in texts]
    arrays = {
        "offsets": np.cumsum([0, *lengths], dtype=np.int64),
        "noun_index": np.array([noun for noun, _ in flat], np.int32),
        "noun_role": np.array([role for _, role in flat], np.int8),
        "noun_span": np.zeros((len(flat), 2), np.int32),
        "has_direction": np.array([" by " in text for text in texts]),
        "is_plural": np.array(["ü" in text for text in texts]),
        **place_rows([PLACES.get(text, Place()) for text in texts], names),
    }
    provenance = Provenance("nouns", "made for a test")
    write_cache(path, arrays, {"phrase": texts, "noun": names, "subject": texts}, {}, provenance)
