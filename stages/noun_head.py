"""Stage `noun_head`: a linear head that knows the nouns of the training phrases.

reads   annotations/{images.jsonl, phrases.jsonl}, nouns.h5, weights/classifier/, images of `train`
writes  data/<dataset>/noun_head/{head.safetensors, nouns.json, summary.json}
params  noun_head

Shapes: I training images, B images of a batch, C channels, N nouns.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.classifier.classifier import Classifier, load_classifier
from models.classifier.noun_head import NounHead, save_noun_head
from models.classifier.train_noun_head import NounHeadFit, average_precisions, fit_noun_head
from models.given_files.json_files import write_json
from models.given_files.safe_load import ModelFileError, NonFiniteError
from pipeline.caching.atomic import whole_file
from pipeline.caching.fingerprint import fingerprint
from pipeline.caching.shards import ShardPlan, remove_shards, run_shards
from pipeline.command_line import stage_call
from pipeline.errors import InputError
from pipeline.images.batches import ImageBatch, image_batches
from pipeline.mentions import PhraseFacts, nouns_of_images, read_phrase_facts
from pipeline.noun_coverage import describe_coverage
from pipeline.observe.observer import Observer
from pipeline.params.schema import NounHeadParams
from pipeline.paths import DatasetFiles
from pipeline.records import ImageRecord, PhraseRecord, read_records
from pipeline.runtime import pick_device, seed_everything

TRAIN = "train"
HELD_OUT = 10  # every tenth training image judges a first fit
LISTED = 30  # uncovered nouns in the summary


@dataclass(frozen=True)
class NounHeadInputs:
    """What the stage reads, and how many threads read the images."""

    files: DatasetFiles
    image_folder: Path
    workers: int

    @property
    def classifier(self) -> Path:
        """Folder of the classifier."""
        return self.files.weights / "classifier"


@torch.no_grad()
def compute_features(
    classifier: Classifier, batches: Iterable[ImageBatch], device: torch.device
) -> NDArray[np.float32]:
    """Return the mean of each feature map of the images of some batches, float32 (I, C)."""
    pooled = []
    for batch in batches:
        maps = classifier.feature_maps(torch.from_numpy(batch.images).to(device))  # (B, C, h, w)
        pooled.append(maps.mean((-2, -1))[: batch.num_real].cpu().numpy())
    return np.concatenate(pooled)


def frequent_nouns(
    phrases: Sequence[PhraseRecord],
    facts: Mapping[str, PhraseFacts],
    min_count: int,
    max_nouns: int,
) -> list[str]:
    """Return the nouns that enough phrases hold, the most frequent first, equals by alphabet."""
    counts = Counter(noun for record in phrases for noun in facts[record.phrase].nouns)
    frequent = [(noun, count) for noun, count in counts.items() if count >= min_count]
    frequent.sort(key=lambda entry: (-entry[1], entry[0]))
    return [noun for noun, _ in frequent[:max_nouns]]


def held_out_map(
    features: Tensor, targets: Tensor, nouns: Sequence[str], fit: NounHeadFit, observer: Observer
) -> float | None:
    """Return the mean average precision on every tenth image of a head fitted to the others.

    It is a mean over the nouns said of a held-out image; None if there is no such noun.
    """
    is_held_out = torch.arange(len(features)) % HELD_OUT == HELD_OUT - 1
    if not targets[is_held_out].any():
        return None
    head = fit_on(features[~is_held_out], targets[~is_held_out], nouns, fit, observer)
    logits = features[is_held_out] @ head.weight.T + head.bias
    return round(float(average_precisions(logits, targets[is_held_out]).nanmean()), 4)


def fit_on(
    features: Tensor, targets: Tensor, nouns: Sequence[str], fit: NounHeadFit, observer: Observer
) -> NounHead:
    """Fit a head behind a progress bar."""
    return fit_noun_head(
        features,
        targets,
        nouns,
        fit,
        lambda epochs: observer.progress(epochs, len(epochs), "epochs"),
    )


def run(
    inputs: NounHeadInputs,
    params: NounHeadParams,
    device: torch.device,
    noun_head: Path,
    observer: Observer,
) -> None:
    """Fit the head and write it, with a summary.

    Raises:
        InputError: a file is missing, an image cannot be read, or no noun is frequent enough.
    """
    seed_everything(params.seed)
    torch.backends.cudnn.allow_tf32 = False
    facts = read_phrase_facts(inputs.files.nouns)
    phrases = read_records(inputs.files.phrases, PhraseRecord)
    images = [
        image for image in read_records(inputs.files.images, ImageRecord) if image.split == TRAIN
    ]
    image_nouns = nouns_of_images(facts, images, phrases)
    training = [record for record in phrases if record.split == TRAIN]
    nouns = frequent_nouns(training, facts, params.min_count, params.max_nouns)
    check_nouns(nouns, params)
    features, plan = read_features(inputs, params, images, device, observer)
    targets = find_targets(image_nouns, nouns)  # (I, N)
    summary = fit_and_save(features, targets, nouns, params, noun_head, observer)
    routes = dict.fromkeys(nouns, "trained")
    summary |= describe_coverage(phrases, facts, routes, LISTED)
    with whole_file(noun_head / "summary.json") as partial:
        write_json(partial, summary, indent=2)
    remove_shards(plan)
    observer.log(f"{len(nouns)} nouns; held-out mAP {summary['held_out_map']}")
    shares = {split: counts["covered"] for split, counts in summary["coverage"].items()}
    observer.log(f"share of phrases whose head noun has a class: {shares}")


def find_targets(image_nouns: Sequence[AbstractSet[str]], nouns: Sequence[str]) -> Tensor:
    """Return which of N nouns are said of each of I images, bool (I, N)."""
    column_of = {noun: column for column, noun in enumerate(nouns)}
    targets = torch.zeros(len(image_nouns), len(nouns), dtype=torch.bool)  # (I, N)
    for row, some in enumerate(image_nouns):
        targets[row, [column_of[noun] for noun in some if noun in column_of]] = True
    return targets


def check_nouns(nouns: Sequence[str], params: NounHeadParams) -> None:
    """Check that there is a noun for the head.

    Raises:
        InputError: there is none.
    """
    if not nouns:
        raise InputError(
            f"noun_head.min_count: no noun is in {params.min_count} training phrases; lower it, "
            "or look into nouns.h5"
        )


def read_features(
    inputs: NounHeadInputs,
    params: NounHeadParams,
    images: Sequence[ImageRecord],
    device: torch.device,
    observer: Observer,
) -> tuple[Tensor, ShardPlan]:
    """Return the pooled features of the images, float32 (I, C), and the shards they are kept in.

    Raises:
        InputError: the classifier's folder is damaged, or an image cannot be read.
    """
    try:
        classifier = load_classifier(inputs.classifier).to(device)
    except ModelFileError as error:
        raise InputError(f"{error}; `dvc repro weights` makes it anew") from error
    section = {"image_px": params.image_px, "batch_images": params.batch_images}
    key = fingerprint(Path(__file__), section, [inputs.files.annotations, inputs.classifier])
    plan = ShardPlan("noun_head", key, len(images), params.images_per_shard)

    def compute(items: range) -> dict[str, NDArray[Any]]:
        paths = [inputs.image_folder / images[item].file for item in items]
        batches = image_batches(paths, params.image_px, params.batch_images, inputs.workers)
        watched = observer.progress(batches, -(-len(items) // params.batch_images), "batches")
        return {"features": compute_features(classifier, watched, device)}

    return torch.from_numpy(np.asarray(run_shards(plan, compute, observer)["features"])), plan


def fit_and_save(
    features: Tensor,
    targets: Tensor,
    nouns: Sequence[str],
    params: NounHeadParams,
    noun_head: Path,
    observer: Observer,
) -> dict[str, Any]:
    """Write the head fitted to all images; return its size and its precision on held-out ones.

    Raises:
        InputError: the training blew up; nothing is written.
    """
    fit = NounHeadFit(
        params.epochs,
        params.learning_rate,
        params.weight_decay,
        params.negative_weight,
        params.fit_batch_images,
        params.seed,
    )
    try:
        held_out = held_out_map(features, targets, nouns, fit, observer)
        save_noun_head(noun_head, fit_on(features, targets, nouns, fit, observer))
    except NonFiniteError as error:
        raise InputError(
            f"noun_head: {error}; lower noun_head.learning_rate or noun_head.weight_decay"
        ) from error
    return {"nouns": len(nouns), "training_images": len(features), "held_out_map": held_out}


def main() -> None:
    """Fit the head of the dataset that the command line names."""
    call = stage_call(__doc__)
    inputs = NounHeadInputs(call.files, call.image_folder, call.params.runtime.workers)
    device = pick_device(call.params.runtime.device)
    call.run(
        "noun_head",
        lambda observer: run(inputs, call.params.noun_head, device, call.files.noun_head, observer),
    )


if __name__ == "__main__":
    main()
