"""Ask a trained model where a phrase's thing is in a picture: run by hand, no stage of the graph.

`python -m stages.predict DATASET VARIANT --image x.jpg --phrase "dog on the left" [--draw y.png]`

reads   model/, weights/ (detector, tagger, classifier), noun_head/, one picture
writes  the box to stdout, and the picture with the box if asked to

A model whose box comes from the [REG] token needs no proposals, and so no detector; one without a
CAM encoder needs no nouns where no proposals are ranked.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
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
from models.phrases.noun_parser import NounParser, TaggerFolderError
from models.phrases.noun_rules import HEAD
from models.safe_load import WeightFileError
from pipeline.errors import InputError
from pipeline.geometry.boxes import boxes_in_image
from pipeline.image_batches import read_squashed
from pipeline.images import read_image
from pipeline.mentions import HEAD_ROLE, Mention
from pipeline.params.read import read_params
from pipeline.params.schema import Params
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.runtime import pick_device, stage_arguments
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import Arrays
from pipeline.samples.loader import collate
from pipeline.samples.one_image import NO_CAMS, NO_PROPOSALS, ImageFacts, OneImage, PhraseFacts
from pipeline.samples.sample_spec import TextEncoding, Tokenize, read_sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.samples.vocabulary import WordVocabulary

ANSWERS = ("reg", "proposal", "refined")
LINE_PX, COLOUR = 3, "#ff7a1a"
Value = TypeVar("Value")


@dataclass(frozen=True)
class PredictRequest:
    """What is asked: a picture, a phrase, and which of the model's three answers is wanted."""

    image: Path
    phrase: str
    answer: str


def predict(
    request: PredictRequest, files: DatasetFiles, model: Path, params: Params
) -> tuple[float, float, float, float]:
    """Return the box of a phrase, pixels of the picture.

    Args:
        request: what is asked.
        files: of the dataset that the model was trained on.
        model: the model's folder.
        params: say how detector and scorer are run.

    Raises:
        InputError: a file is missing that the answer needs, or the picture cannot be read.
    """
    device = pick_device(params.runtime.device)
    saved = _or_input_error(lambda: load_grounder(model))
    spec = saved.grounder.spec
    ranks_boxes = request.answer != "reg" or spec.head == "per_proposal"
    phrase = PhraseFacts((), is_plural=False)
    if ranks_boxes or spec.cam != "off":
        phrase = parse_phrase(request.phrase, files, params, device)
    boxes = detect(request.image, files, params, device) if ranks_boxes else (NO_PROPOSALS, ())
    facts = ImageFacts(*boxes, *find_cams(request.image, phrase, spec, files, params))
    world = OneImage(request.image, request.phrase, phrase, facts)
    return ask(saved, model, world, request.answer, device)


def parse_phrase(
    phrase: str, files: DatasetFiles, params: Params, device: torch.device
) -> PhraseFacts:
    """Return the nouns of a phrase.

    Raises:
        InputError: there is no tagger.
    """
    folder, context = files.weights / "tagger", params.nouns.context_nouns
    parser = _or_input_error(lambda: NounParser(folder, device.type, context))
    parsed = parser.parse([phrase])[0]
    mentions = (Mention(one.noun, HEAD_ROLE if one.role == HEAD else 1) for one in parsed.nouns)
    return PhraseFacts(tuple(mentions), parsed.is_plural)


def detect(
    image: Path, files: DatasetFiles, params: Params, device: torch.device
) -> tuple[Arrays, tuple[str, ...]]:
    """Return the proposals of a picture and what the detector's labels are called.

    Raises:
        InputError: there is no detector, or the picture cannot be read.
    """
    detector = _or_input_error(lambda: load_detector(files.weights / "detector", device, 1))
    section = params.proposals
    found = detector.detect(
        [read_image(image)],
        max_boxes=section.max_boxes,
        score_floor=section.score_floor,
        nms_iou=section.nms_iou,
        per_class=section.nms == "per_class",
    )[0]
    return vars(found), tuple(detector.info.classes)


def find_cams(
    image: Path, phrase: PhraseFacts, spec: GrounderSpec, files: DatasetFiles, params: Params
) -> tuple[Arrays, tuple[str, ...]]:
    """Return the raw Grad-CAM of a phrase's nouns, and the nouns that the maps' index counts in.

    Raises:
        InputError: there is no classifier, or no noun head where one is needed.
    """
    said = sorted({mention.noun for mention in phrase.mentions})
    if spec.cam == "off" or not said:
        return NO_CAMS, ()
    section = params.cams
    source = ScorerSource(
        files.weights,
        files.noun_head,
        noun_label_matches,
        kind=section.scorer,
        prompt=section.clip.prompt,
        backgrounds=section.clip.backgrounds,
    )
    scorer = _or_input_error(lambda: load_scorer(source, said))
    indices = [index for index, noun in enumerate(scorer.nouns) if noun in said]
    pixels = torch.from_numpy(read_squashed(image, section.image_px))[None]  # (1, 3, S, S)
    found = NounExplainer(scorer, section.layer, section.backend).explain(pixels, [indices])
    cams: Arrays = {
        "noun_index": np.array(indices, np.int32),
        "maps": found.maps[0].numpy().astype(np.float16),
        "confidences": found.probs[0, indices].numpy(),
    }
    return cams, tuple(scorer.nouns)


@torch.inference_mode()
def ask(
    saved: SavedGrounder, model: Path, world: OneImage, answer: str, device: torch.device
) -> tuple[float, float, float, float]:
    """Return the model's answer in pixels of the picture."""
    spec = read_sample_spec(model)
    tokenize = Tokenize(saved.tokenizer, spec.max_tokens)
    text = TextEncoding(tokenize, WordVocabulary(saved.words), {})
    batch = collate([GroundingDataset(world, spec, text)[SampleIndex(0, (0,), None)]])
    inputs = GroundingInputs(**batch).to(device)
    outputs = saved.grounder.to(device)(inputs)
    square = answer_boxes(outputs, inputs)[answer][0].cpu().numpy()  # (1, 4)
    x1, y1, x2, y2 = boxes_in_image(square, world.images[0].image_hw, spec.image_px)[0].tolist()
    return x1, y1, x2, y2


def draw_box(image: Path, box: tuple[float, float, float, float], target: Path) -> None:
    """Write the picture with its box; the suffix of `target` says in which format."""
    picture = Image.fromarray(read_image(image))
    ImageDraw.Draw(picture).rectangle(box, outline=COLOUR, width=LINE_PX)
    picture.save(target)


def _or_input_error(make: Callable[[], Value]) -> Value:
    """Return what `make` makes, its complaint about files as an `InputError`."""
    try:
        return make()
    except (ValueError, TaggerFolderError, WeightFileError) as error:
        raise InputError(f"{error}; `dvc repro` makes it") from error


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add what is asked to the command line."""
    parser.add_argument("--image", type=Path, required=True, help="a picture")
    parser.add_argument("--phrase", required=True, help="what to look for")
    parser.add_argument("--answer", choices=ANSWERS, default="reg")
    parser.add_argument("--draw", type=Path, help="write the picture with the box there")


def main() -> None:
    """Print the box of the phrase that the command line names."""
    given = stage_arguments(__doc__, variant=True, add=add_question)
    if not given.phrase.strip():
        raise InputError("--phrase: is empty")
    request = PredictRequest(given.image, given.phrase, given.answer)
    files, model = DatasetFiles(given.dataset), ResultFiles(given.dataset, given.variant).model
    box = predict(request, files, model, read_params())
    sys.stdout.write(" ".join(f"{value:.1f}" for value in box) + "\n")
    if given.draw:
        draw_box(given.image, box, given.draw)


if __name__ == "__main__":
    main()
