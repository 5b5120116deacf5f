"""A trained model that is asked about pictures: `camground.Grounder`.

Shapes: P phrases, R candidates, (h, w) cells of a map, (H, W) pixels of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.box_head import answer_boxes
from models.grounder.checkpoint import SavedGrounder, load_grounder
from models.grounder.confidence import Calibration, confidence_features, read_calibration
from pipeline.datasets.texts import text_problem
from pipeline.errors import InputError
from pipeline.geometry.boxes import boxes_in_image
from pipeline.images.images import read_image
from pipeline.mentions import HEAD_ROLE
from pipeline.reporting.methods import FINAL_BOX
from pipeline.runtime import pick_device
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import GroundingTables, picture_phrase
from pipeline.samples.label_similarity import find_part
from pipeline.samples.loader import collate
from pipeline.samples.sample_spec import SampleSpec, TextEncoding, Tokenize, read_sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.samples.vocabulary import WordVocabulary
from pipeline.serving.found import ANSWERS, AnswerName, Box, Candidate, Floats, Found
from pipeline.serving.frozen_parts import FrozenParts, load_frozen, or_input_error
from pipeline.serving.model_folder import find_parts
from pipeline.serving.placed_phrases import PlacedPhrase, place_phrases

PHRASES_AT_ONCE = 32  # in one forward pass; memory grows with them
Picture = str | Path | NDArray[np.uint8]


@dataclass(frozen=True)
class PhraseGrounder:
    """A trained grounder with all it needs to answer about a picture of one's own.

    `PhraseGrounder.load` returns one; the parts are loaded once.

    Attributes:
        saved: grounder and vocabularies.
        spec: how large its samples are.
        frozen: detector, parser and noun scorer.
        calibration: what the model's evaluation taught of its hits; None where there was none.
        weights: folder of the parts that compare nouns with labels, if any do.
        device: where all of them are.
    """

    saved: SavedGrounder
    spec: SampleSpec
    frozen: FrozenParts
    calibration: Calibration | None
    weights: Path
    device: torch.device

    @classmethod
    def load(cls, path: str | Path, device: str | None = None) -> Self:
        """Load a trained model.

        Args:
            path: `results/<dataset>/<variant>` of a project, its `model/`, or a folder that
                `camground pack` wrote.
            device: `auto`, `cpu` or `cuda`; None: what params.yaml says, `auto` in a packed folder.

        Raises:
            InputError: a part is missing or cannot be read; the message names it.
        """
        parts = find_parts(Path(path))
        place = pick_device(device or parts.device)
        calibration = or_input_error(lambda: read_calibration(parts.calibration), parts.remedy)
        saved = or_input_error(lambda: load_grounder(parts.model), parts.remedy)
        saved.grounder.to(place)
        spec = read_sample_spec(parts.model)
        frozen = load_frozen(parts, saved.grounder.spec, spec.subject_words, place)
        find_part(spec.labels, parts.weights)
        return cls(saved, spec, frozen, calibration, parts.weights, place)

    def ground(
        self,
        picture: Picture,
        phrases: str | Sequence[str],
        answer: AnswerName = "reg",
        sentence: str | None = None,
    ) -> list[Found]:
        """Return where each phrase is in a picture, in the order of the phrases.

        Args:
            picture: a file, or RGB uint8 (H, W, 3).
            phrases: texts such as "dog on the left"; they share all that concerns the picture.
            answer: `reg`: the box that the model predicts; `proposal`: the most probable proposal;
                `refined`: that one after its predicted offset.
            sentence: that the phrases are from, in its order, see `place_phrases`: what a phrase
                before means is not meant again, and clothes are on who was named before. The same
                phrase again then means its next place in the sentence.

        Raises:
            InputError: the picture cannot be read, a phrase is empty or no text, the sentence is no
                text, or the answer needs a detector and there is none.
        """
        texts = [phrases] if isinstance(phrases, str) else list(phrases)
        for problem in filter(None, map(phrase_problem, texts)):
            raise InputError(problem)
        if not isinstance(sentence, str | None):
            raise InputError(f"the sentence {sentence!r} is no text")
        return self.ground_placed(picture, place_phrases(texts, sentence), answer)

    def ground_placed(
        self, picture: Picture, phrases: Sequence[PlacedPhrase], answer: AnswerName
    ) -> list[Found]:
        """Return where phrases of several sentences are in a picture, in their order.

        Args:
            picture: as for `ground`.
            phrases: in which `phrase_problem` finds no fault.
            answer: as for `ground`.

        Raises:
            InputError: as `ground`.
        """
        self._check_answer(answer)
        pixels = _pixels_of(picture)
        asked = list(dict.fromkeys(phrases))
        facts = self.frozen.parse(list(dict.fromkeys(one.phrase for one in asked)))
        nouns = set[str]().union(*(one.nouns for one in facts.values()))
        tables = GroundingTables.from_picture(
            (pixels.shape[0], pixels.shape[1]),
            [picture_phrase(one.phrase, one.sentence, one.span) for one in asked],
            facts,
            self.frozen.detect(pixels),
            self.frozen.explain(pixels, nouns),
        ).with_labels_compared(self.spec.labels, self.weights)
        found: list[Found] = []
        for start in range(0, len(asked), PHRASES_AT_ONCE):
            indices = tuple(range(start, min(start + PHRASES_AT_ONCE, len(asked))))
            found += self._ask(tables, pixels, indices, answer)
        found_of = dict(zip(asked, found, strict=True))
        return [found_of[one] for one in phrases]

    def _check_answer(self, answer: AnswerName) -> None:
        if answer not in ANSWERS:
            raise InputError(f"answer: {answer!r} is none of {', '.join(ANSWERS)}")
        if answer != "reg" and self.frozen.detector is None:
            raise InputError(
                f"answer: {answer!r} is a proposal, and the model's detector is not there"
            )

    @torch.inference_mode()
    def _ask(
        self,
        tables: GroundingTables,
        pixels: NDArray[np.uint8],
        indices: tuple[int, ...],
        answer: AnswerName,
    ) -> list[Found]:
        """Return the answers to some phrases of the tables' picture, by one forward pass.

        Raises:
            InputError: a box is not finite.
        """
        tokenize = Tokenize(self.saved.tokenizer, self.spec.max_tokens)
        text = TextEncoding(tokenize, WordVocabulary(self.saved.words), {})
        sample = GroundingDataset(tables, self.spec, text).sample(
            SampleIndex(0, indices, None), pixels
        )
        inputs = GroundingInputs.from_batch(collate([sample]), self.device)
        outputs = self.saved.grounder(inputs)
        squares = answer_boxes(outputs, inputs)[answer][0].cpu().numpy()  # (P, 4)
        if not np.isfinite(squares).all():
            raise InputError("the model's box is not finite; train it anew")
        image_hw = tables.images[0].image_hw
        boxes = boxes_in_image(squares, image_hw, self.spec.image_px)  # (P, 4)
        maps = _head_maps(inputs, outputs)
        candidates: list[tuple[Candidate, ...]] = [()] * len(indices)
        if self.frozen.detector is not None:
            candidates = _candidates(inputs, outputs, tables, self.spec.image_px)
        confidences = self._confidences(inputs, outputs, answer)
        return [
            Found(
                phrase=tables.phrases[index].phrase,
                box_xyxy=_as_box(boxes[row]),
                score=candidates[row][0].probability if candidates[row] else None,
                confidence=confidences[row] if candidates[row] else None,
                nouns=tuple(dict.fromkeys(one.noun for one in tables.facts_of(index).mentions)),
                candidates=candidates[row],
                image_hw=image_hw,
                map_cells=maps[row],
            )
            for row, index in enumerate(indices)
        ]

    def _confidences(
        self, inputs: GroundingInputs, outputs: GroundingOutputs, answer: AnswerName
    ) -> list[float] | list[None]:
        """Return the probability that each phrase's box is a hit, where the calibration tells."""
        if self.calibration is None or answer != FINAL_BOX:
            return [None] * inputs.phrase_mask.shape[1]
        features = confidence_features(outputs, inputs, self.calibration.iou)[0]  # (P, F)
        return self.calibration.confidences(features.cpu().numpy()).tolist()


def phrase_problem(phrase: object) -> str | None:
    """Return why nothing can be looked for by this phrase, or None."""
    if not isinstance(phrase, str):
        return f"the phrase {phrase!r} is no text"
    if not phrase.strip():
        return "the phrase is empty"
    problem = text_problem(phrase)
    return f"the phrase cannot be used: {problem}" if problem else None


def _pixels_of(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture's pixels, RGB uint8 (H, W, 3).

    Raises:
        InputError: the file cannot be read, or the array has another shape or dtype.
    """
    if isinstance(picture, str | Path):
        return read_image(Path(picture))
    is_rgb = picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
    if not is_rgb or picture.size == 0:
        raise InputError(
            f"the picture must be a file or RGB uint8 (H, W, 3), not {picture.dtype} "
            f"{picture.shape}"
        )
    return picture


def _head_maps(inputs: GroundingInputs, outputs: GroundingOutputs) -> list[Floats | None]:
    """Return the map of each phrase's head noun over the square, (h, w), where it has one."""
    num_phrases = inputs.phrase_mask.shape[1]
    if outputs.attention_maps.shape[2] == 0:
        return [None] * num_phrases
    has_map = (inputs.noun_mask & (inputs.noun_roles == HEAD_ROLE))[0, :, 0].tolist()  # (P,)
    maps = outputs.attention_maps[0, :, 0].float().cpu().numpy()  # (P, h, w)
    return [heights if has else None for heights, has in zip(maps, has_map, strict=True)]


def _candidates(
    inputs: GroundingInputs, outputs: GroundingOutputs, tables: GroundingTables, image_px: int
) -> list[tuple[Candidate, ...]]:
    """Return the proposals for each phrase, the most probable first."""
    squares = inputs.boxes_xyxy[0].cpu().numpy()  # (R, 4)
    boxes = boxes_in_image(squares, tables.images[0].image_hw, image_px)  # (R, 4)
    names = (None, *tables.proposals.names)
    labels = [names[index] for index in inputs.box_labels[0].tolist()]
    merged, scores = inputs.box_is_merged[0].tolist(), inputs.box_scores[0].tolist()
    rows = [(_as_box(box), *row) for box, *row in zip(boxes, labels, merged, scores, strict=True)]
    parts = torch.stack(
        [
            outputs.prior_logits[0],
            outputs.cam_logits[0],
            outputs.learned_logits[0],
            outputs.box_logits[0],
            outputs.box_probs[0],
        ],
        dim=-1,
    )  # (P, R, 5)
    orders = outputs.box_logits[0].argsort(dim=-1, descending=True, stable=True)  # (P, R)
    return [
        tuple(Candidate(*rows[index], *numbers[index]) for index in order)
        for order, numbers in zip(orders.tolist(), parts.tolist(), strict=True)
    ]


def _as_box(row: Floats) -> Box:
    x1, y1, x2, y2 = row.tolist()
    return x1, y1, x2, y2
