"""Stage `evaluate`: how often the model is right, beside baselines and the oracle.

reads   model/, annotations/, nouns.h5, proposals.h5, cams.h5, ground_truth.jsonl, the images
writes  evaluation.json, metrics.json, predictions.jsonl
params  evaluate
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.given_files.safe_load import ModelFileError, write_json
from models.grounder.batch import GroundingInputs
from models.grounder.box_head import answer_boxes
from models.grounder.checkpoint import SavedGrounder, load_grounder
from models.grounder.grounder import Grounder
from models.training.reconstruction_loss import vision_gap
from pipeline.caching.atomic import whole_file
from pipeline.caching.fingerprint import fingerprint
from pipeline.command_line import stage_call
from pipeline.errors import InputError
from pipeline.evaluation.aggregate import (
    choose_phrases,
    prediction_row,
    split_metrics,
    summarise_split,
    table_rows,
    weighted_mean,
)
from pipeline.evaluation.answers import Answer, BatchAnswers, answers_of_batch, chunked_samples
from pipeline.evaluation.baseline_inputs import build_baseline_inputs, read_detector
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
from pipeline.runtime import pick_device
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.loader import build_loader
from pipeline.samples.sample_spec import SampleSpec, TextEncoding, Tokenize, read_sample_spec
from pipeline.samples.vocabulary import WordVocabulary


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


@dataclass(frozen=True)
class Inference:
    """A grounder, and how it is run."""

    saved: SavedGrounder
    spec: SampleSpec
    device: torch.device
    workers: int


def answer_batch(grounder: Grounder, inputs: GroundingInputs) -> BatchAnswers:
    """Return the grounder's answers to a batch; maps are those of the first noun slot.

    Raises:
        InputError: a box, or the vision gap, is not finite.
    """
    begin = time.perf_counter()
    real_words = inputs.word_mask & inputs.phrase_mask[..., None]  # (B, P, W)
    with torch.inference_mode():
        outputs = grounder(inputs)
        gap = vision_gap(grounder.decoder, outputs.attended, inputs.word_ids, real_words)
    boxes = {name: xyxy.cpu().numpy() for name, xyxy in answer_boxes(outputs, inputs).items()}
    real_phrases = inputs.phrase_mask.cpu().numpy()  # (B, P)
    numbers = [float(gap), *(xyxy[real_phrases] for xyxy in boxes.values())]
    if not all(np.isfinite(values).all() for values in numbers):
        raise InputError("model/: it answers with numbers that are not finite; train it anew")
    maps = {"raw": inputs.cams, "learned": outputs.attention_maps}
    is_head = inputs.noun_mask & (inputs.noun_roles == 0)  # (B, P, K)
    return BatchAnswers(
        boxes_xyxy=boxes,
        maps={name: m[:, :, 0].float().cpu().numpy() for name, m in maps.items() if m.shape[2]},
        has_map=is_head[..., :1].any(-1).cpu().numpy(),
        vision_gap=float(gap),
        num_words=int(real_words.sum()),
        seconds=time.perf_counter() - begin,
    )


def run(
    inputs: EvaluateInputs, params: EvaluateParams, runtime: RuntimeParams, observer: Observer
) -> None:
    """Evaluate a model on every split but `train`.

    Raises:
        InputError: a file is missing or damaged, or a phrase has no ground truth.
    """
    truths = read_records(inputs.files.ground_truth, GroundTruth)
    evaluated = evaluation_splits(inputs.files.phrases)
    inference = load_inference(inputs.results.model, runtime)
    origin = provenance(inputs, params)
    observer.fact("fingerprint", origin["fingerprint"])
    splits: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for split in evaluated:
        tables = GroundingTables.from_caches(inputs.files, inputs.image_folder, [split])
        phrase_truths = annotated_phrases(tables.phrases, truths, tables.phrase_facts)
        compared = tables.with_labels_compared(
            inference.spec.labels, inputs.files.weights / "language"
        )
        answers, gap = compute_answers(inference, compared, params, observer)
        phrase_results = evaluate_split(phrase_truths, tables, answers, params, observer)
        splits[split] = {**split_metrics(phrase_results, params), "vision_gap": round(gap, 6)}
        kept = choose_phrases(phrase_results, params.attention_phrases, params.seed)
        rows += [prediction_row(one, answers, kept) for one in phrase_results]
        observer.table(
            f"hits in % of {len(phrase_results)} phrases of {split}", table_rows(splits[split])
        )
    write_rows(inputs.results.predictions, rows)
    with whole_file(inputs.results.evaluation) as partial:
        evaluation = {"provenance": origin, "splits": splits}
        write_json(partial, evaluation, indent=1, sort_keys=True)
    with whole_file(inputs.results.metrics) as partial:
        summary = {split: summarise_split(metrics) for split, metrics in splits.items()}
        write_json(partial, summary, indent=1)
    observer.log(origin["leakage"])


def load_inference(folder: Path, runtime: RuntimeParams) -> Inference:
    """Return a trained grounder on the device that `runtime` names.

    Raises:
        InputError: the folder does not hold one.
    """
    try:
        saved = load_grounder(folder)
    except ModelFileError as error:
        raise InputError(f"{error}; `dvc repro train` makes it anew") from error
    device = pick_device(runtime.device)
    saved.grounder.to(device)
    return Inference(saved, read_sample_spec(folder), device, runtime.workers)


def compute_answers(
    inference: Inference, tables: GroundingTables, params: EvaluateParams, observer: Observer
) -> tuple[dict[str, Answer], float]:
    """Return the model's answer to every phrase by id, and the mean vision gap in nats a word.

    Raises:
        InputError: the proposals come from a detector of other labels than the model's, or an
            answer is not finite.
    """
    num_labels, learned = len(tables.proposals.names), inference.saved.grounder.spec.num_labels
    if num_labels != learned:
        raise InputError(
            f"proposals.h5: its detector is of {num_labels} labels; the model learned from one of "
            f"{learned}; `dvc repro train` makes it anew"
        )
    vocabulary = WordVocabulary(inference.saved.words)
    tokenize = Tokenize(inference.saved.tokenizer, inference.spec.max_tokens)
    dataset = GroundingDataset(tables, inference.spec, TextEncoding(tokenize, vocabulary, {}))
    sample_indices = chunked_samples(tables.phrases_of_image, params.phrases_per_image)
    starts = range(0, len(sample_indices), params.batch_images)
    loader = build_loader(dataset, sample_indices, params.batch_images, inference.workers)
    answers: dict[str, Answer] = {}
    batches: list[BatchAnswers] = []
    for start, batch in zip(observer.progress(starts, len(starts), "model"), loader, strict=True):
        model_inputs = GroundingInputs(**batch).to(inference.device)
        batches.append(answer_batch(inference.saved.grounder, model_inputs))
        batch_indices = sample_indices[start : start + params.batch_images]
        image_px = inference.spec.image_px
        answers.update(answers_of_batch(tables, batch_indices, batches[-1], image_px))
    seconds = sum(batch.seconds for batch in batches)
    observer.log(f"{1000 * seconds / len(answers):.1f} ms per phrase on {inference.device}")
    return answers, weighted_mean([(batch.vision_gap, batch.num_words) for batch in batches])


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
    call = stage_call(__doc__, variant=True)
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
