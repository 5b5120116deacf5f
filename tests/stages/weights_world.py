"""Weight files as others publish them, with random weights, and what is asked of the stage."""

import hashlib
import json
import os

import pytest
import torch
from torchvision.models import squeezenet1_1

from models.detector.checkpoint import build_model, read_config
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.weights import (
    ClassifierFile,
    DetectorFile,
    TaggerFolder,
    TransformersFolder,
    WeightFiles,
    WordNetFolder,
)
from stages.weights import run

CONFIG = "yolox/yolox_nano_8xb8-300e_coco.py"
ARCH = "squeezenet1_1"
NAMED = f"given/{ARCH}-b8a52dc0.pth"
NOTHING = TransformersFolder("", "", "", "", "")


def write_published(folder):
    """Write weight files as others publish them, with random weights."""
    classes = tuple(f"thing {number}" for number in range(80))
    state = build_model(read_config(CONFIG)).state_dict()
    torch.save(
        {"meta": {"dataset_meta": {"classes": classes}}, "state_dict": state}, folder / "d.pth"
    )
    torch.save(squeezenet1_1().state_dict(), folder / "c.pth")
    for name in ("tokenize", "pos"):
        (folder / "stanza" / "en" / name).mkdir(parents=True)
        torch.save({"model": torch.ones(3)}, folder / "stanza" / "en" / name / "ewt.pt")
    english = {"default_processors": {"tokenize": "ewt"}}
    english |= {"tokenize": {"ewt": {}}, "pos": {"ewt": {}}}
    (folder / "stanza" / "resources.json").write_text(json.dumps({"en": english}))


def given_section():
    """Return the section that names copies of those files in `given`."""
    return WeightFiles(
        source="files",
        detector=DetectorFile("mmdet", "given/d.pth", "", CONFIG, "", "COCO", "Apache-2.0"),
        classifier=ClassifierFile(
            "given/c.pth", "", "", ARCH, (0.5,) * 3, (0.25,) * 3, False, "ImageNet", "BSD"
        ),
        tagger=TaggerFolder("given/stanza", "", "ewt", "EWT", "CC BY-SA 4.0"),
        language=NOTHING,
        wordnet=WordNetFolder("", "", "", ""),
        clip=NOTHING,
    )


class Listener(Observer):
    """Keeps what is said."""

    def __init__(self):
        super().__init__("weights")
        self.lines, self.facts = [], {}

    def log(self, message):
        self.lines.append(message)

    def fact(self, name, value):
        self.facts[name] = value


def prepare(section, folder):
    listener = Listener()
    run(section, "weights.mine", folder, listener)
    return listener.lines


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder):
    return {
        file.relative_to(folder).as_posix(): sha256(file)
        for file in folder.rglob("*")
        if file.is_file()
    }


def refuse(section, folder, message):
    with pytest.raises(InputError, match=message):
        prepare(section, folder)
    assert not folder.exists()


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)
