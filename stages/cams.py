"""Stage `cams`: one raw Grad-CAM map for every noun that is said of an image and has a class.

reads   annotations/{images.jsonl, phrases.jsonl}, nouns.h5, weights/classifier/, noun_head/, images
writes  data/<dataset>/cams.h5: maps f16 (M, h, w), signed, before any scaling, of the image
        squashed to a square; noun_index i32 (M,), confidences f32 (M,), offsets i64 (images + 1,);
        an image's rows are ordered by noun_index
params  cams

Shapes: B images, M maps, K nouns of one image, (h, w) cells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.cam_classifier import NounScorer, load_scorer
from models.classifier import ClassifierError
from models.grad_cam import closed_form_cams
from pipeline.cache import Provenance, write_cache
from pipeline.datasets.locate import image_folder
from pipeline.errors import InputError
from pipeline.image_batches import ImageBatch, image_batches
from pipeline.layout import DatasetFiles
from pipeline.mentions import nouns_of_images, read_mentions
from pipeline.observe import Observer, run_stage
from pipeline.provenance import fingerprint
from pipeline.records import ImageRecord, PhraseRecord, read_records
from pipeline.runtime import pick_device, seed_everything, stage_arguments
from pipeline.sections import CamsParams, read_params
from pipeline.shards import ShardPlan, remove_shards, run_shards

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class CamsInputs:
    """What the stage reads, and how many threads read the images."""

    files: DatasetFiles
    image_folder: Path
    workers: int

    @property
    def classifier(self) -> Path:
        """Folder of the classifier."""
        return self.files.weights / "classifier"


@torch.no_grad()
def compute_cams(
    scorer: NounScorer, images: Tensor, noun_indices: Sequence[Sequence[int]]
) -> list[Arrays]:
    """Return the maps of a batch.

    Args:
        scorer: whose scores are explained.
        images: RGB in [0, 1], float32 (B, 3, S, S).
        noun_indices: the scorer's K nouns wanted of each of the first images of the batch.

    Returns:
        For each of these images `noun_index` i32 (K,), `maps` f16 (K, h, w), `confidences` f32
        (K,).
    """
    features = scorer.feature_maps(images)  # (B, C, h, w)
    probs = scorer.probs_of(features)  # (B, N)
    found: list[Arrays] = []
    for image, indices in enumerate(noun_indices):
        own = features[image : image + 1]  # (1, C, h, w)
        maps = closed_form_cams(own, scorer.pooled_weight(own, indices))[0]  # (K, h, w)
        found.append(
            {
                "noun_index": np.array(indices, np.int32),
                "maps": maps.cpu().numpy().astype(np.float16),
                "confidences": probs[image, list(indices)].cpu().numpy(),
            }
        )
    return found


def compute_shard(
    scorer: NounScorer,
    batches: Iterable[ImageBatch],
    wanted: Sequence[Sequence[int]],
    device: torch.device,
) -> Arrays:
    """Return the maps of some images.

    Args:
        scorer: whose scores are explained.
        batches: the images, at least one batch.
        wanted: the scorer's nouns of each image, ascending.
        device: where the scorer is.

    Returns:
        What `compute_cams` returns of every image, one image after the other, and `counts` i64
        of maps per image.
    """
    rows: list[Arrays] = []
    left = iter(wanted)
    for batch in batches:
        filling = [()] * (len(batch.images) - batch.num_real)  # says the grid where no noun is said
        indices = [*islice(left, batch.num_real), *filling]
        rows += compute_cams(scorer, torch.from_numpy(batch.images).to(device), indices)
    joined = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return {**joined, "counts": np.array([len(indices) for indices in wanted], np.int64)}


def run(
    inputs: CamsInputs, params: CamsParams, device: torch.device, cams: Path, observer: Observer
) -> None:
    """Write the maps of every image, shard by shard.

    Raises:
        InputError: a file is missing or does not fit the others, or an image cannot be read.
    """
    seed_everything(0)
    torch.backends.cudnn.allow_tf32 = False
    images = read_records(inputs.files.images, ImageRecord)
    nouns = read_nouns(inputs.files, images)
    scorer = read_scorer(inputs, params, nouns).to(device)
    wanted = choose_nouns(scorer, nouns)
    plan = ShardPlan("cams", find_key(inputs, params), len(images), params.images_per_shard)

    def compute(items: range) -> Arrays:
        paths = [inputs.image_folder / images[item].file for item in items]
        batches = image_batches(paths, params.image_px, params.batch_images, inputs.workers)
        watched = observer.progress(batches, -(-len(items) // params.batch_images), "batches")
        return compute_shard(scorer, watched, [wanted[item] for item in items], device)

    arrays = run_shards(plan, compute, observer)
    attributes = {"scorer": params.scorer, **describe_classifier(scorer)}
    texts = {"image_id": [image.image_id for image in images], "noun": scorer.nouns}
    counts = arrays.pop("counts")
    arrays["offsets"] = np.concatenate([[0], counts.cumsum()]).astype(np.int64)  # (I + 1,)
    write_cache(cams, arrays, texts, attributes, Provenance("cams", plan.fingerprint))
    remove_shards(plan)
    said = sum(map(len, nouns))
    observer.log(f"{len(arrays['maps'])} maps; {said} nouns are said of the images")


def read_nouns(files: DatasetFiles, images: Sequence[ImageRecord]) -> list[set[str]]:
    """Return what the phrases say of each image."""
    phrases = read_records(files.phrases, PhraseRecord)
    return nouns_of_images(read_mentions(files.nouns), images, phrases)


def read_scorer(inputs: CamsInputs, params: CamsParams, nouns: Sequence[set[str]]) -> NounScorer:
    """Return the scorer that params.yaml names.

    Raises:
        InputError: its files are missing or do not fit each other.
    """
    every_noun = sorted(set().union(*nouns))
    try:
        return load_scorer(params.scorer, inputs.classifier, inputs.files.noun_head, every_noun)
    except ClassifierError as error:
        raise InputError(f"{error}; `dvc repro` makes it anew") from error


def choose_nouns(scorer: NounScorer, nouns: Sequence[set[str]]) -> list[list[int]]:
    """Return which of the scorer's nouns are said of each image, ascending."""
    index_of = {noun: index for index, noun in enumerate(scorer.nouns)}
    return [sorted(index_of[noun] for noun in said if noun in index_of) for said in nouns]


def find_key(inputs: CamsInputs, params: CamsParams) -> str:
    """Return the fingerprint; how the images are cut into shards changes nothing."""
    section = {key: value for key, value in asdict(params).items() if key != "images_per_shard"}
    files = inputs.files
    upstream = [files.annotations, files.nouns, inputs.classifier, files.noun_head]
    return fingerprint(Path(__file__), section, upstream)


def describe_classifier(scorer: NounScorer) -> dict[str, str]:
    """Return what the classifier is and what it was trained on."""
    info = scorer.classifier.info
    return {"classifier": info.arch, "training_set": info.training_set}


def main() -> None:
    """Make the maps of the dataset that the command line names."""
    dataset = stage_arguments(__doc__).dataset
    params, files = read_params(), DatasetFiles(dataset)
    inputs = CamsInputs(
        files, image_folder(dataset, params.datasets[dataset]), params.runtime.workers
    )
    device = pick_device(params.runtime.device)
    run_stage(
        f"cams@{dataset}",
        lambda observer: run(inputs, params.cams, device, files.cams, observer),
    )


if __name__ == "__main__":
    main()
