"""The boxes that a trained model gives to the phrases of a split, its training split included."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.evaluation.inference import compute_answers, load_inference
from pipeline.observe.observer import Observer
from pipeline.params.schema import EvaluateParams, RuntimeParams
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.records import Box, ImageRecord, PhraseRecord
from pipeline.samples.grounding_tables import GroundingTables

DECIMALS = 3  # of pixels and of scores that are written


@dataclass(frozen=True)
class PredictedBox:
    """A phrase and the model's box of it.

    Attributes:
        image: the image it speaks of.
        phrase: the phrase.
        box_xyxy: pixels of the image, continuous corners, inside it.
        score: probability of the best proposal, in [0, 1]; 0 where nothing was proposed.
    """

    image: ImageRecord
    phrase: PhraseRecord
    box_xyxy: Box
    score: float


@dataclass(frozen=True)
class Asked:
    """What boxes are wanted.

    Attributes:
        files: of the dataset.
        results: of dataset and model.
        image_folder: where the images lie.
        split: whose phrases are asked.
        answer: which of the model's boxes: `reg`, `proposal` or `refined`.
    """

    files: DatasetFiles
    results: ResultFiles
    image_folder: Path
    split: str
    answer: str


def predict_split(
    asked: Asked, params: EvaluateParams, runtime: RuntimeParams, observer: Observer
) -> list[PredictedBox]:
    """Return a box for every phrase of a split, from the caches; ground truth stays closed.

    Raises:
        InputError: the split has no phrase, or the model or a cache is missing or damaged.
    """
    tables = GroundingTables.from_caches(asked.files, asked.image_folder, [asked.split])
    inference = load_inference(asked.results.model, runtime)
    answers, _ = compute_answers(inference, tables, params, observer)
    image_of = {image.image_id: image for image in tables.images}
    return [
        PredictedBox(
            image_of[phrase.image_id],
            phrase,
            _rounded(answers[phrase.phrase_id].boxes_xyxy[asked.answer].tolist()),
            round(answers[phrase.phrase_id].score, DECIMALS),
        )
        for phrase in tables.phrases
    ]


def _rounded(numbers: Sequence[float]) -> Box:
    x1, y1, x2, y2 = (round(number, DECIMALS) for number in numbers)
    return x1, y1, x2, y2
