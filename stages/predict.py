"""Ground a phrase in a picture with a trained model: run by hand, no stage of the graph.

`python -m stages.predict DATASET VARIANT --image x.jpg --phrase "dog on the left" [--draw y.png]`

reads   model/, weights/ (detector, tagger, classifier), noun_head/, one picture
writes  the box to stdout, and the picture with the box with `--draw`

A model whose box comes from the [REG] token needs no proposals, and so no detector; one without a
CAM encoder needs no nouns where no proposals are ranked.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageDraw

from models.detector.detector import load_detector
from models.grad_cam.explainer import NounExplainer
from models.grad_cam.load_scorer import ScorerSource, load_scorer
from models.grounder.batch import GroundingInputs
from models.grounder.box_head import answer_boxes
from models.grounder.checkpoint import SavedGrounder, load_grounder
from models.grounder.config import GrounderSpec
from models.noun_classes.detector_labels import noun_label_matches
from models.phrases.mirroring import may_crop
from models.phrases.noun_parser import NounParser
from models.phrases.noun_rules import HEAD
from models.phrases.places import Place
from pipeline.caching.atomic import whole_file
from pipeline.command_line import stage_call
from pipeline.datasets.texts import text_problem
from pipeline.errors import InputError
from pipeline.geometry.boxes import boxes_in_image
from pipeline.images.batches import read_squashed
from pipeline.images.images import read_image
from pipeline.mentions import HEAD_ROLE, Mention, PhraseFacts
from pipeline.params.schema import Params
from pipeline.paths import DatasetFiles
from pipeline.runtime import pick_device
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import (
    NO_CAMS,
    NO_PROPOSALS,
    GroundingTables,
    NamedArrays,
)
from pipeline.samples.loader import collate
from pipeline.samples.sample_facts import Arrays
from pipeline.samples.sample_spec import TextEncoding, Tokenize, read_sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.samples.vocabulary import WordVocabulary

ANSWERS = ("reg", "proposal", "refined")
LINE_PX, COLOUR = 3, "#ff7a1a"
Value = TypeVar("Value")


@dataclass(frozen=True)
class PredictRequest:
    """A picture, a phrase, and which of the model's three answers is returned."""

    image: Path
    phrase: str
    answer: str


def predict(
    request: PredictRequest, files: DatasetFiles, model: Path, params: Params
) -> tuple[float, float, float, float]:
    """Return the box of a phrase, pixels of the picture.

    Args:
        request: picture, phrase and answer.
        files: of the dataset that the model was trained on.
        model: the model's folder.
        params: how detector and scorer are run.

    Raises:
        InputError: a file is missing that the answer needs, or the picture cannot be read.
    """
    device = pick_device(params.runtime.device)
    saved = _or_input_error(lambda: load_grounder(model))
    spec = saved.grounder.spec
    ranks_boxes = request.answer != "reg" or spec.head == "per_proposal"
    facts = PhraseFacts(
        (), is_plural=False, has_direction=False, place=Place(), subject=request.phrase
    )
    if ranks_boxes or spec.cam != "off":
        facts = parse_phrase(request.phrase, files, params, device)
    proposals = detect(request.image, files, params, device) if ranks_boxes else NO_PROPOSALS
    cams = compute_cams(request.image, facts, spec, files, params)
    tables = GroundingTables.from_picture(request.image, request.phrase, facts, proposals, cams)
    return compute_box(saved, (model, files.weights / "language"), tables, request.answer, device)


def parse_phrase(
    phrase: str, files: DatasetFiles, params: Params, device: torch.device
) -> PhraseFacts:
    """Return what a parser says of a phrase.

    Raises:
        InputError: there is no tagger.
    """
    folder, context = files.weights / "tagger", params.nouns.context_nouns
    parser = _or_input_error(lambda: NounParser(folder, device.type, context))
    parsed = parser.parse([phrase])[0]
    mentions = (Mention(one.noun, HEAD_ROLE if one.role == HEAD else 1) for one in parsed.nouns)
    return PhraseFacts(
        tuple(mentions), parsed.is_plural, not may_crop(phrase), parsed.place, parsed.subject
    )


def detect(image: Path, files: DatasetFiles, params: Params, device: torch.device) -> NamedArrays:
    """Return the proposals of a picture and the names of the detector's labels.

    Raises:
        InputError: there is no detector, or the picture cannot be read.
    """
    detector = _or_input_error(lambda: load_detector(files.weights / "detector", device, 1))
    section = params.proposals
    proposals = detector.detect(
        [read_image(image)],
        max_boxes=section.max_boxes,
        score_floor=section.score_floor,
        nms_iou=section.nms_iou,
        per_class=section.nms == "per_class",
    )[0]
    return vars(proposals), tuple(detector.info.classes)


def compute_cams(
    image: Path, facts: PhraseFacts, spec: GrounderSpec, files: DatasetFiles, params: Params
) -> NamedArrays:
    """Return the raw Grad-CAM of a phrase's nouns, and the nouns that the maps' index counts in.

    Raises:
        InputError: there is no classifier, or no noun head where one is needed.
    """
    nouns = sorted(facts.nouns)
    if spec.cam == "off" or not nouns:
        return NO_CAMS
    section = params.cams
    source = ScorerSource(
        files.weights,
        files.noun_head,
        noun_label_matches,
        kind=section.scorer,
        prompt=section.clip.prompt,
        backgrounds=section.clip.backgrounds,
    )
    scorer = _or_input_error(lambda: load_scorer(source, nouns))
    indices = [index for index, noun in enumerate(scorer.nouns) if noun in nouns]
    pixels = torch.from_numpy(read_squashed(image, section.image_px))[None]  # (1, 3, S, S)
    explanation = NounExplainer(scorer, section.layer, section.backend).explain(pixels, [indices])
    cams: Arrays = {
        "noun_index": np.array(indices, np.int32),
        "maps": explanation.maps[0].numpy().astype(np.float16),
        "confidences": explanation.probs[0, indices].numpy(),
    }
    return cams, tuple(scorer.nouns)


@torch.inference_mode()
def compute_box(
    saved: SavedGrounder,
    folders: tuple[Path, Path],
    tables: GroundingTables,
    answer: str,
    device: torch.device,
) -> tuple[float, float, float, float]:
    """Return the model's answer in pixels of the picture; folders are of model and text encoder.

    Raises:
        InputError: it is not finite.
    """
    model, language = folders
    spec = read_sample_spec(model)
    tables = tables.with_labels_compared(spec.labels, language)
    tokenize = Tokenize(saved.tokenizer, spec.max_tokens)
    text = TextEncoding(tokenize, WordVocabulary(saved.words), {})
    batch = collate([GroundingDataset(tables, spec, text)[SampleIndex(0, (0,), None)]])
    inputs = GroundingInputs(**batch).to(device)
    outputs = saved.grounder.to(device)(inputs)
    square = answer_boxes(outputs, inputs)[answer][0].cpu().numpy()  # (1, 4)
    if not np.isfinite(square).all():
        raise InputError(f"{model}: its box is not finite: {square[0].tolist()}; train it anew")
    x1, y1, x2, y2 = boxes_in_image(square, tables.images[0].image_hw, spec.image_px)[0].tolist()
    return x1, y1, x2, y2


def check_drawing(image: Path, target: Path) -> None:
    """Raise an error if a picture with a box cannot be written, before anything is computed.

    Raises:
        InputError: `target` is the picture itself, or lies in no folder, or is one, or its suffix
            names no format of RGB pictures.
    """
    if not target.parent.is_dir():
        raise InputError(f"--draw: {target.parent} is no folder; make it first")
    if target.is_dir():
        raise InputError(f"--draw: {target} is a folder; name a file in it")
    if target.exists() and target.samefile(image):
        raise InputError(f"--draw: {target} is the picture itself; name another file")
    try:
        Image.new("RGB", (1, 1)).save(BytesIO(), _format_of(target))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"--draw: {target}: no picture can be written as `{target.suffix}`; take .png or .jpg"
        ) from error


def draw_box(image: Path, box: tuple[float, float, float, float], target: Path) -> None:
    """Write the picture with its box; the suffix of `target` says in which format.

    Raises:
        WriteError: the disk is full or read-only, or the file may not be written.
    """
    picture = Image.fromarray(read_image(image))
    ImageDraw.Draw(picture).rectangle(box, outline=COLOUR, width=LINE_PX)
    with whole_file(target) as partial:
        picture.save(partial, _format_of(target))


def _format_of(target: Path) -> str:
    """Return Pillow's name of the format of a suffix.

    Raises:
        KeyError: there is none.
    """
    return Image.registered_extensions()[target.suffix.lower()]


def _or_input_error(make: Callable[[], Value]) -> Value:
    """Return what `make` makes, its complaint about files as an `InputError`."""
    try:
        return make()
    except ValueError as error:
        raise InputError(f"{error}; `dvc repro` makes it") from error


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add picture, phrase and answer to the command line."""
    parser.add_argument("--image", type=Path, required=True, help="a picture")
    parser.add_argument("--phrase", required=True, help="what to look for")
    parser.add_argument("--answer", choices=ANSWERS, default="reg")
    parser.add_argument("--draw", type=Path, help="write the picture with the box there")


def main() -> None:
    """Print the box of the phrase that the command line names."""
    call = stage_call(__doc__, variant=True, add=add_request)
    options = call.options
    if not options.phrase.strip():
        raise InputError("--phrase: is empty")
    if problem := text_problem(options.phrase):
        raise InputError(f"--phrase: {problem}")
    read_image(options.image)
    if options.draw:
        check_drawing(options.image, options.draw)
    request = PredictRequest(options.image, options.phrase, options.answer)
    box = predict(request, call.files, call.results.model, call.params)
    sys.stdout.write(" ".join(f"{value:.1f}" for value in box) + "\n")
    if options.draw:
        draw_box(options.image, box, options.draw)


if __name__ == "__main__":
    main()
