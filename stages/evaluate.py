"""Stage `evaluate`: how often the model is right, beside baselines and the oracle.

reads   model/, annotations/, nouns.h5, proposals.h5, cams.h5, ground_truth.jsonl, the images
writes  evaluation.json, metrics.json, predictions.jsonl, calibration.json
params  evaluate
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.given_files.json_files import write_json
from pipeline.caching.atomic import whole_file
from pipeline.caching.fingerprint import fingerprint
from pipeline.command_line import stage_call
from pipeline.evaluation.aggregate import (
    choose_phrases,
    prediction_row,
    rounded,
    split_metrics,
    summarise_split,
    table_rows,
)
from pipeline.evaluation.answers import Answer
from pipeline.evaluation.baseline_inputs import (
    build_baseline_inputs,
    check_detectors,
    read_detector,
)
from pipeline.evaluation.calibration import Calibrated, calibrate
from pipeline.evaluation.inference import compute_answers, load_inference
from pipeline.evaluation.leakage import image_source, leakage_note
from pipeline.evaluation.phrase_results import (
    AnnotatedPhrase,
    PhraseResult,
    annotated_phrases,
    evaluate_phrase,
    evaluation_splits,
)
from pipeline.observe.observer import Observer
from pipeline.params.read import train_params
from pipeline.params.schema import EvaluateParams, RuntimeParams
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.records import GroundTruth, read_records
from pipeline.samples.grounding_tables import GroundingTables


@dataclass(frozen=True)
class EvaluateInputs:
    """What is evaluated on what.

    Attributes:
        files: of the dataset.
        results: of dataset and variant.
        image_folder: where the images lie.
        pictures: whose they are, as `image_source` says.
        train_seed: of the training that made the model.
    """

    files: DatasetFiles
    results: ResultFiles
    image_folder: Path
    pictures: str
    train_seed: int


def run(
    inputs: EvaluateInputs, params: EvaluateParams, runtime: RuntimeParams, observer: Observer
) -> None:
    """Evaluate a model on every split but `train`.

    Raises:
        InputError: a file is missing or damaged, or a phrase has no ground truth.
    """
    if inputs.files.trained_on:
        learned = DatasetFiles(inputs.files.trained_on).proposals
        check_detectors(inputs.files.proposals, learned)
    truths = read_records(inputs.files.ground_truth, GroundTruth)
    evaluated = evaluation_splits(inputs.files.phrases)
    inference = load_inference(inputs.results.model, runtime)
    origin = provenance(inputs, params)
    observer.fact("fingerprint", origin["fingerprint"])
    splits: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    every_result: list[PhraseResult] = []
    features: list[NDArray[np.float32]] = []
    for split in evaluated:
        tables = GroundingTables.from_caches(inputs.files, inputs.image_folder, [split])
        phrase_truths = annotated_phrases(tables.phrases, truths, tables.phrase_facts)
        compared = tables.with_labels_compared(inference.spec.labels, inputs.files.weights)
        answers, gap = compute_answers(inference, compared, params, observer)
        phrase_results = evaluate_split(phrase_truths, tables, answers, params, observer)
        splits[split] = {**split_metrics(phrase_results, params), "vision_gap": round(gap, 6)}
        kept = choose_phrases(phrase_results, params.attention_phrases, params.seed)
        rows += [prediction_row(one, answers, kept) for one in phrase_results]
        every_result += phrase_results
        features += [answers[row["phrase_id"]].features for row in rows[-len(phrase_results) :]]
        observer.table(
            f"hits in % of {len(phrase_results)} phrases of {split}", table_rows(splits[split])
        )
    calibrated = calibrate(every_result, np.stack(features), params)
    add_confidences(calibrated, rows, splits, observer)
    write_rows(inputs.results.predictions, rows)
    write_numbers(inputs.results, {"provenance": origin, "splits": splits}, calibrated)
    observer.log(origin["leakage"])


def add_confidences(
    calibrated: Calibrated,
    rows: Sequence[dict[str, Any]],
    splits: Mapping[str, dict[str, Any]],
    observer: Observer,
) -> None:
    """Add each phrase's confidence to its row, and to each split how far they can be trusted."""
    for row, confidence in zip(rows, calibrated.confidences, strict=True):
        row["confidence"] = rounded(float(confidence), 4)
    for split, measured in calibrated.reliabilities.items():
        splits[split]["confidence"] = rounded(measured)
        observer.log(
            f"{split}: confidences are off by {100 * measured['ece']:.1f} points on average, "
            f"{100 * measured['ece_by_chance']:.1f} would be chance"
        )


def write_numbers(
    results: ResultFiles, evaluation: Mapping[str, Any], calibrated: Calibrated
) -> None:
    """Write all that was measured, the few numbers of it that are compared, and the calibration."""
    with whole_file(results.evaluation) as partial:
        write_json(partial, evaluation, indent=1, sort_keys=True)
    with whole_file(results.metrics) as partial:
        splits = evaluation["splits"].items()
        write_json(partial, {split: summarise_split(one) for split, one in splits}, indent=1)
    with whole_file(results.calibration) as partial:
        write_json(partial, rounded(asdict(calibrated.calibration)), indent=1)


def evaluate_split(
    phrase_truths: Sequence[AnnotatedPhrase],
    tables: GroundingTables,
    answers: Mapping[str, Answer],
    params: EvaluateParams,
    observer: Observer,
) -> list[PhraseResult]:
    """Return every phrase of a split, answered by the model and by what needs no training."""
    image_of = {
        phrase: image for image, phrases in tables.phrases_of_image.items() for phrase in phrases
    }
    indices = range(len(phrase_truths))
    return [
        evaluate_phrase(
            phrase_truths[index],
            build_baseline_inputs(tables, image_of[index], index),
            answers[tables.phrases[index].phrase_id].boxes_xyxy,
            params,
        )
        for index in observer.progress(indices, len(indices), "all")
    ]


def provenance(inputs: EvaluateInputs, params: EvaluateParams) -> dict[str, Any]:
    """Return what was evaluated, by what rule, and whether the detector may know the answers."""
    files = inputs.files
    upstream = [inputs.results.model, files.images, files.phrases, files.ground_truth]
    upstream += [files.nouns, files.proposals, files.cams]
    detector, training_set = read_detector(files.proposals)
    leakage_possible, note = leakage_note(inputs.pictures, training_set)
    return {
        "dataset": files.dataset,
        "variant": inputs.results.variant,
        "trained_on": inputs.results.trained_on or files.dataset,
        "seed": inputs.train_seed,
        "iou": params.iou,
        "detector": detector,
        "detector_training_set": training_set,
        "leakage": note,
        "leakage_possible": leakage_possible,
        "fingerprint": fingerprint(Path(__file__), params, upstream),
    }


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, keys by the alphabet."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")


def main() -> None:
    """Evaluate the variant that the command line names."""
    call = stage_call(__doc__, variant=True, is_of_models=True)
    inputs = EvaluateInputs(
        call.files,
        call.results,
        call.image_folder,
        image_source(call.params.datasets[call.dataset]),
        train_params(call.params, call.variant).seed,
    )
    call.run(
        "evaluate",
        lambda observer: run(inputs, call.params.evaluate, call.params.runtime, observer),
    )


if __name__ == "__main__":
    main()
