"""The boxes that a trained model gives to the phrases of a split, its training split included."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.given_files.safe_load import ModelFileError
from models.grounder.confidence import Calibration, read_calibration
from pipeline.errors import InputError
from pipeline.evaluation.answers import Answer
from pipeline.evaluation.inference import compute_answers, load_inference
from pipeline.observe.observer import Observer
from pipeline.params.schema import EvaluateParams, RuntimeParams
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.records import Box, ImageRecord, PhraseRecord
from pipeline.reporting.methods import FINAL_BOX
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
        confidence: calibrated probability that the box is a hit, in [0, 1]; None for another
            answer than `reg`, for a model that was not evaluated, and where nothing was proposed.
    """

    image: ImageRecord
    phrase: PhraseRecord
    box_xyxy: Box
    score: float
    confidence: float | None


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
        InputError: the split has no phrase, or the model, its calibration or a cache is missing or
            damaged.
    """
    inference = load_inference(asked.results.model, runtime)
    tables = GroundingTables.from_caches(
        asked.files, asked.image_folder, [asked.split]
    ).with_labels_compared(inference.spec.labels, asked.files.weights)
    calibration = _calibration(asked)
    if calibration is not None:
        params = replace(params, iou=calibration.iou)
    answers, _ = compute_answers(inference, tables, params, observer)
    image_of = {image.image_id: image for image in tables.images}
    return [
        PredictedBox(
            image_of[phrase.image_id],
            phrase,
            _rounded(answers[phrase.phrase_id].boxes_xyxy[asked.answer].tolist()),
            round(answers[phrase.phrase_id].score, DECIMALS),
            _confidence(answers[phrase.phrase_id], calibration),
        )
        for phrase in tables.phrases
    ]


def _calibration(asked: Asked) -> Calibration | None:
    """Return what tells how sure the asked answer is; None if nothing does.

    Raises:
        InputError: the file holds no calibration.
    """
    if asked.answer != FINAL_BOX:
        return None
    try:
        return read_calibration(asked.results.calibration)
    except ModelFileError as error:
        raise InputError(f"{error}; `dvc repro evaluate` makes it anew") from error


def _confidence(answer: Answer, calibration: Calibration | None) -> float | None:
    if calibration is None or answer.score == 0:
        return None
    return round(float(calibration.confidences(answer.features[None])[0]), DECIMALS)


def _rounded(numbers: Sequence[float]) -> Box:
    x1, y1, x2, y2 = (round(number, DECIMALS) for number in numbers)
    return x1, y1, x2, y2
