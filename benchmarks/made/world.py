"""A data set and what the stages before `train` make of it, in a folder of its own.

Pictures and phrases are made; annotations, nouns, proposals and maps come from the project's own
stages; tagger and detector are trained for seconds; classifier, noun head and grounder are random.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from typing_extensions import override

from benchmarks.made.networks import random_classifier, random_head, write_detector
from benchmarks.made.phrases import NOUNS, phrases_of_pictures
from benchmarks.made.pictures import SIZE_WH, write_picture
from benchmarks.made.tagger import write_tagger
from models.classifier.classifier import save_classifier
from models.classifier.noun_head import save_noun_head
from pipeline.observe.observer import Item, Observer
from pipeline.params.datasets import OwnDataset
from pipeline.params.schema import Params
from pipeline.paths import DatasetFiles
from stages import annotations, cams, noun_head, nouns, proposals

CPU = torch.device("cpu")
PICTURES = Path("pictures")
TAGGER_STEPS, DETECTOR_SCENES = 60, 48


class SilentObserver(Observer):
    """Reports nothing, so that a console's speed is not measured."""

    @override
    def log(self, message: str) -> None:
        return

    @override
    def progress(self, items: Iterable[Item], total: int, label: str) -> Iterable[Item]:
        return items


@dataclass(frozen=True)
class WorldSizes:
    """How much there is of what.

    Attributes:
        images: pictures, a tenth of them, at least one, for evaluation.
        phrases: of each picture, about as many nouns.
        size_wh: of a picture in pixels.
        arch: of the classifier.
        width: its channel multiplier.
        trained: folder of a `tagger` and a `detector`; None: they are trained.
    """

    images: int
    phrases: int = 5
    size_wh: tuple[int, int] = SIZE_WH
    arch: str = "mobilenet_v2"
    width: float = 0.25
    trained: Path | None = None


@dataclass(frozen=True)
class World:
    """A made data set; paths are relative to its folder, which is the working directory.

    Attributes:
        files: of the data set.
        params: of the stages.
        sizes: how much there is.
    """

    files: DatasetFiles
    params: Params
    sizes: WorldSizes

    @property
    def section(self) -> OwnDataset:
        """The data set in its layout."""
        return OwnDataset("jsonl", self.files.dataset, str(PICTURES), 0, 0)

    def stages(self) -> dict[str, Callable[[], None]]:
        """Return every stage that computes something of each image, in order, by name."""
        files, params = self.files, self.params
        parser = nouns.load_parser(files.weights / "tagger", params.nouns, "cpu")
        observer = SilentObserver("bench")
        bad = params.annotations.max_bad_fraction
        boxes_in = proposals.ProposalsInputs(
            files.annotations, PICTURES, files.weights / "detector"
        )
        head_in = noun_head.NounHeadInputs(files, PICTURES, 0)
        cams_in = cams.CamsInputs(files, PICTURES, 0)
        return {
            "annotations": partial(annotations.run, files, self.section, bad, 1, observer),
            "nouns": partial(nouns.run, files, params.nouns, parser, observer),
            "proposals": partial(
                proposals.run, boxes_in, params.proposals, CPU, files.proposals, observer
            ),
            "noun_head": partial(
                noun_head.run, head_in, params.noun_head, CPU, files.noun_head, observer
            ),
            "cams": partial(cams.run, cams_in, params.cams, CPU, files.cams, observer),
        }


@contextlib.contextmanager
def project_folder() -> Iterator[Path]:
    """Make an empty folder the working directory and the project's root, for a while."""
    known = os.environ.get("DVC_ROOT")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["DVC_ROOT"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("DVC_ROOT")
            if known is not None:
                os.environ["DVC_ROOT"] = known


def write_source(sizes: WorldSizes, params: Params, name: str = "own") -> World:
    """Write pictures, phrases and weights; no stage has run on them."""
    world = World(DatasetFiles(name), params, sizes)
    write_pictures(world)
    if sizes.trained:
        shutil.copytree(sizes.trained, world.files.weights)
    else:
        write_tagger(world.files.weights / "tagger", TAGGER_STEPS)
        write_detector(world.files.weights / "detector", DETECTOR_SCENES)
    classifier = random_classifier(sizes.arch, sizes.width)
    save_classifier(world.files.weights / "classifier", classifier)
    save_noun_head(world.files.noun_head, random_head(classifier, tuple(sorted(NOUNS))))
    return world


def write_pictures(world: World) -> None:
    """Write the pictures that are not there yet, and the lines about all of the world's."""
    sizes, lines = world.sizes, {"train": list[str](), "val": list[str]()}
    for image, phrases in enumerate(phrases_of_pictures(sizes.images, sizes.phrases)):
        path = PICTURES / f"{image}.jpg"
        if not path.exists():
            write_picture(path, image, sizes.size_wh)
        split = "val" if image % 10 == 0 else "train"
        row = {"image": path.name, "boxes_xyxy": [[1, 1, 20, 20]]}
        lines[split] += [json.dumps(row | {"phrase": phrase}) for phrase in phrases]
    for split, own in lines.items():
        path = Path(world.section.root) / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(own) + "\n", encoding="utf-8")


def write_larger(world: World, images: int, name: str) -> World:
    """Write another world of the same weights with more pictures."""
    larger = World(DatasetFiles(name), world.params, replace(world.sizes, images=images))
    write_pictures(larger)
    shutil.copytree(world.files.weights, larger.files.weights)
    shutil.copytree(world.files.noun_head, larger.files.noun_head)
    return larger
