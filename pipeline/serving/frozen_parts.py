"""The frozen networks beside a grounder: detector, parser and noun scorer, each loaded once.

Shapes: H W pixels of the picture, M maps of (h, w) cells.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from models.detector.detector import Detector, load_detector
from models.grad_cam.explainer import NounExplainer
from models.grad_cam.load_scorer import ScorerOfNouns, ScorerSource, open_scorer
from models.grounder.config import GrounderSpec
from models.noun_classes.detector_labels import noun_label_matches
from models.phrases.mirroring import may_crop
from models.phrases.noun_parser import NounParser, ParsedPhrase
from models.phrases.noun_rules import HEAD
from models.phrases.places import Place
from pipeline.errors import InputError
from pipeline.images.batches import squash
from pipeline.mentions import HEAD_ROLE, Mention, PhraseFacts
from pipeline.samples.grounding_tables import NO_CAMS, NO_PROPOSALS, NamedArrays
from pipeline.samples.sample_facts import Arrays
from pipeline.serving.model_folder import ModelParts
from pipeline.serving.settings import RunSettings

DETECTOR, TAGGER = "detector", "tagger"
CONTEXT_ROLE = HEAD_ROLE + 1
Value = TypeVar("Value")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class FrozenParts:
    """What is found out about picture and phrases before the grounder is asked.

    Attributes:
        settings: how the parts are run.
        device: where they are.
        parser: of phrases; None where neither nouns nor subjects are needed.
        detector: None where there is none.
        scorer_of: gives the scorer of some nouns; None for a grounder without maps.
    """

    settings: RunSettings
    device: torch.device
    parser: NounParser | None
    detector: Detector | None
    scorer_of: ScorerOfNouns | None

    def parse(self, phrases: Sequence[str]) -> dict[str, PhraseFacts]:
        """Return what a parser says of each phrase, by text, in order."""
        if self.parser is None:
            return {phrase: PhraseFacts((), False, False, Place(), phrase) for phrase in phrases}
        parsed = self.parser.parse(phrases)
        return {phrase: _facts(phrase, one) for phrase, one in zip(phrases, parsed, strict=True)}

    def detect(self, pixels: Pixels) -> NamedArrays:
        """Return the proposals of a picture, RGB uint8 (H, W, 3), and the names of the labels."""
        if self.detector is None:
            return NO_PROPOSALS
        section = self.settings.proposals
        proposals = self.detector.detect(
            [pixels],
            max_boxes=section.max_boxes,
            score_floor=section.score_floor,
            nms_iou=section.nms_iou,
            per_class=section.nms == "per_class",
        )[0]
        return vars(proposals), tuple(self.detector.info.classes)

    def explain(self, pixels: Pixels, nouns: Collection[str]) -> NamedArrays:
        """Return the raw Grad-CAM of nouns in a picture, and what the maps' index counts in.

        Raises:
            InputError: `cams.layer` names no layer of the scorer.
        """
        if self.scorer_of is None or not nouns:
            return NO_CAMS
        section, wanted = self.settings.cams, sorted(nouns)
        scorer = self.scorer_of(wanted).to(self.device)
        indices = [index for index, noun in enumerate(scorer.nouns) if noun in nouns]
        square = torch.from_numpy(squash(pixels, section.image_px))[None].to(self.device)
        explainer = NounExplainer(scorer, section.layer, section.backend)
        explanation = or_input_error(lambda: explainer.explain(square, [indices]), "params.yaml")
        cams: Arrays = {
            "noun_index": np.array(indices, np.int32),
            "maps": explanation.maps[0].cpu().numpy().astype(np.float16),
            "confidences": explanation.probs[0, indices].cpu().numpy(),
        }
        return cams, tuple(scorer.nouns)


def load_frozen(
    parts: ModelParts, spec: GrounderSpec, subject_words: bool, device: torch.device
) -> FrozenParts:
    """Return the parts that a grounder needs; with `subject_words` it reads parsed phrases.

    A grounder whose box comes from the [REG] token is asked without proposals where there is no
    detector, or one of other labels than it learned from.

    Raises:
        InputError: a part is missing or cannot be read.
    """
    detector, reads_maps = _load_detector(parts, spec, device), spec.cam != "off"
    is_parsed = detector is not None or reads_maps or subject_words
    return FrozenParts(
        parts.settings,
        device,
        _load_parser(parts, device) if is_parsed else None,
        detector,
        or_input_error(lambda: open_scorer(_source(parts)), parts.remedy) if reads_maps else None,
    )


def or_input_error(make: Callable[[], Value], remedy: str) -> Value:
    """Return what `make` makes.

    Raises:
        InputError: it raises a `ValueError`, as for a file that cannot be read.
    """
    try:
        return make()
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{error}; {remedy}") from error


def _load_detector(parts: ModelParts, spec: GrounderSpec, device: torch.device) -> Detector | None:
    folder, is_needed = parts.weights / DETECTOR, spec.head == "per_proposal"
    if not folder.is_dir() and not is_needed:
        return None
    detector = or_input_error(lambda: load_detector(folder, device, 1), parts.remedy)
    if len(detector.info.classes) == spec.num_labels:
        return detector
    if not is_needed:
        return None
    raise InputError(
        f"{folder}: has {len(detector.info.classes)} labels, the grounder learned from a detector "
        f"of {spec.num_labels}; give it the detector that it was trained with"
    )


def _load_parser(parts: ModelParts, device: torch.device) -> NounParser:
    folder, context = parts.weights / TAGGER, parts.settings.context_nouns
    return or_input_error(lambda: NounParser(folder, device.type, context), parts.remedy)


def _source(parts: ModelParts) -> ScorerSource:
    section = parts.settings.cams
    return ScorerSource(
        parts.weights,
        parts.noun_head,
        noun_label_matches,
        kind=section.scorer,
        prompt=section.clip.prompt,
        backgrounds=section.clip.backgrounds,
    )


def _facts(phrase: str, parsed: ParsedPhrase) -> PhraseFacts:
    mentions = (
        Mention(one.noun, HEAD_ROLE if one.role == HEAD else CONTEXT_ROLE) for one in parsed.nouns
    )
    return PhraseFacts(
        tuple(mentions), parsed.is_plural, not may_crop(phrase), parsed.place, parsed.subject
    )
