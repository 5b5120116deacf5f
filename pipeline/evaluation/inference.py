"""A trained grounder asked about the phrases of a split, from the caches; no annotated box is read.

Shapes: B images, P phrases of an image, K nouns, R proposals.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.given_files.safe_load import ModelFileError
from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.box_head import answer_boxes
from models.grounder.checkpoint import SavedGrounder, load_grounder
from models.grounder.confidence import confidence_features
from models.grounder.grounder import Grounder
from models.training.reconstruction_loss import vision_gap
from pipeline.errors import InputError
from pipeline.evaluation.aggregate import weighted_mean
from pipeline.evaluation.answers import Answer, BatchAnswers, answers_of_batch, chunked_samples
from pipeline.observe.observer import Observer
from pipeline.params.schema import EvaluateParams, RuntimeParams
from pipeline.runtime import pick_device
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.loader import build_loader
from pipeline.samples.sample_spec import SampleSpec, TextEncoding, Tokenize, read_sample_spec
from pipeline.samples.vocabulary import WordVocabulary


@dataclass(frozen=True)
class Inference:
    """A grounder, and how it is run."""

    saved: SavedGrounder
    spec: SampleSpec
    device: torch.device
    workers: int


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


def answer_batch(grounder: Grounder, inputs: GroundingInputs, iou: float) -> BatchAnswers:
    """Return the grounder's answers to a batch; maps are those of the first noun slot.

    Args:
        grounder: the model.
        inputs: the batch.
        iou: least IoU of a hit.

    Raises:
        InputError: a box, or the vision gap, is not finite.
    """
    begin = time.perf_counter()
    real_words = inputs.word_mask & inputs.phrase_mask[..., None]  # (B, P, W)
    with torch.inference_mode():
        outputs = grounder(inputs)
        gap = vision_gap(grounder.decoder, outputs.attended, inputs.word_ids, real_words)
        features = confidence_features(outputs, inputs, iou)  # (B, P, F)
    boxes = {name: xyxy.cpu().numpy() for name, xyxy in answer_boxes(outputs, inputs).items()}
    real_phrases = inputs.phrase_mask.cpu().numpy()  # (B, P)
    numbers = [float(gap), *(xyxy[real_phrases] for xyxy in boxes.values())]
    if not all(np.isfinite(values).all() for values in numbers):
        raise InputError("model/: it answers with numbers that are not finite; train it anew")
    maps = {"raw": inputs.cams, "learned": outputs.attention_maps}
    is_head = inputs.noun_mask & (inputs.noun_roles == 0)  # (B, P, K)
    return BatchAnswers(
        boxes_xyxy=boxes,
        scores=best_probs(outputs).cpu().numpy(),
        maps={name: m[:, :, 0].float().cpu().numpy() for name, m in maps.items() if m.shape[2]},
        has_map=is_head[..., :1].any(-1).cpu().numpy(),
        features=features.cpu().numpy(),
        vision_gap=float(gap),
        num_words=int(real_words.sum()),
        seconds=time.perf_counter() - begin,
    )


def best_probs(outputs: GroundingOutputs) -> Tensor:
    """Return the probability of each phrase's best proposal, float (B, P); 0 without proposals."""
    if outputs.box_probs.shape[-1] == 0:
        return outputs.box_probs.new_zeros(outputs.box_probs.shape[:-1])
    return outputs.box_probs.amax(-1)


def compute_answers(
    inference: Inference, tables: GroundingTables, params: EvaluateParams, observer: Observer
) -> tuple[dict[str, Answer], float]:
    """Return the model's answer to every phrase by id, and the mean vision gap in nats a word.

    Raises:
        InputError: the proposals come from a detector of other labels than the model's, an answer
            is not finite, or a process that makes batches was killed.
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
    watched = observer.progress(starts, len(starts), "model")
    with loader.naming_lost_samples():
        for start, batch in zip(watched, loader, strict=True):
            model_inputs = GroundingInputs.from_batch(batch, inference.device)
            batches.append(answer_batch(inference.saved.grounder, model_inputs, params.iou))
            batch_indices = sample_indices[start : start + params.batch_images]
            image_px = inference.spec.image_px
            answers.update(answers_of_batch(tables, batch_indices, batches[-1], image_px))
    seconds = sum(batch.seconds for batch in batches)
    observer.log(f"{1000 * seconds / len(answers):.1f} ms per phrase on {inference.device}")
    return answers, weighted_mean([(batch.vision_gap, batch.num_words) for batch in batches])
