"""Stage `cams`: one raw Grad-CAM map for every noun that is said of an image and has a class.

reads   annotations/{images.jsonl, phrases.jsonl}, nouns.h5, images; by `cams.scorer` one of
        weights/{classifier, detector, clip}/, and noun_head/
writes  data/<dataset>/cams.h5: maps f16 (M, h, w), signed, before any scaling, of the image
        squashed to a square; noun_index i32 (M,), confidences f32 (M,), offsets i64 (images + 1,);
        an image's rows are ordered by noun_index
        data/<dataset>/cams_coverage.json: for which phrases the scorer knows the head noun
params  cams

Shapes: B images, M maps, K nouns of one image, (h, w) cells.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.given_files.json_files import write_json
from models.grad_cam.explainer import LayerError, NounExplainer
from models.grad_cam.load_scorer import (
    PARTS,
    ScorerKind,
    ScorerSource,
    find_routes,
    load_scorer,
)
from models.grad_cam.scorer import NounScorer
from models.noun_classes.detector_labels import noun_label_matches
from models.noun_classes.imagenet import TABLE
from pipeline.caching.atomic import whole_file
from pipeline.caching.cache import Provenance, write_cache
from pipeline.caching.fingerprint import fingerprint
from pipeline.caching.runs import row_offsets
from pipeline.caching.shards import ShardPlan, remove_shards, run_shards
from pipeline.command_line import stage_call
from pipeline.errors import InputError
from pipeline.images.batches import ImageBatch, image_batches
from pipeline.mentions import PhraseFacts, nouns_of_images, read_phrase_facts
from pipeline.noun_coverage import covered_shares, describe_coverage
from pipeline.observe.observer import Observer
from pipeline.params.schema import CamsParams
from pipeline.paths import DatasetFiles
from pipeline.records import ImageRecord, PhraseRecord, read_records
from pipeline.runtime import pick_device, seed_everything

LISTED = 30  # uncovered nouns in the coverage

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class CamsInputs:
    """What the stage reads, and how many threads read the images."""

    files: DatasetFiles
    image_folder: Path
    workers: int


def compute_cams(
    explainer: NounExplainer, images: Tensor, noun_indices: Sequence[Sequence[int]]
) -> list[Arrays]:
    """Return the maps of a batch.

    Args:
        explainer: explains a scorer.
        images: RGB in [0, 1], float32 (B, 3, S, S).
        noun_indices: the K nouns of the scorer that are explained, of each image.

    Returns:
        For each image `noun_index` i32 (K,), `maps` f16 (K, h, w), `confidences` f32 (K,).
    """
    explanation = explainer.explain(images, noun_indices)
    return [
        {
            "noun_index": np.array(indices, np.int32),
            "maps": maps.cpu().numpy().astype(np.float16),
            "confidences": probs[list(indices)].cpu().numpy(),
        }
        for indices, maps, probs in zip(
            noun_indices, explanation.maps, explanation.probs, strict=True
        )
    ]


def compute_shard(
    explainer: NounExplainer,
    batches: Iterable[ImageBatch],
    noun_indices: Sequence[Sequence[int]],
    device: torch.device,
) -> Arrays:
    """Return the maps of some images.

    Args:
        explainer: explains a scorer.
        batches: the images, at least one batch.
        noun_indices: the scorer's nouns of each image, ascending.
        device: where the scorer is.

    Returns:
        What `compute_cams` returns of every image, one image after the other, and `counts` i64
        of maps per image.
    """
    rows: list[Arrays] = []
    remaining = iter(noun_indices)
    for batch in batches:
        filling = [()] * (len(batch.images) - batch.num_real)  # their maps have no rows, but a grid
        indices = [*islice(remaining, batch.num_real), *filling]
        rows += compute_cams(explainer, torch.from_numpy(batch.images).to(device), indices)
    joined = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return {**joined, "counts": np.array([len(indices) for indices in noun_indices], np.int64)}


def run(
    inputs: CamsInputs, params: CamsParams, device: torch.device, cams: Path, observer: Observer
) -> None:
    """Write the maps of every image, shard by shard, and what share of the phrases has some.

    Raises:
        InputError: a file is missing or does not fit the others, or an image cannot be read.
    """
    seed_everything(0)
    torch.backends.cudnn.allow_tf32 = False
    images = read_records(inputs.files.images, ImageRecord)
    phrases = read_records(inputs.files.phrases, PhraseRecord)
    facts = read_phrase_facts(inputs.files.nouns)
    nouns = nouns_of_images(facts, images, phrases)
    scorer = load_cams_scorer(inputs, params, nouns).to(device)
    explainer = NounExplainer(scorer, params.layer, params.backend)
    noun_indices = nouns_per_image(scorer, nouns)
    plan = ShardPlan("cams", find_key(inputs, params), len(images), params.images_per_shard)

    def compute(items: range) -> Arrays:
        paths = [inputs.image_folder / images[item].file for item in items]
        batches = image_batches(paths, params.image_px, params.batch_images, inputs.workers)
        watched = observer.progress(batches, -(-len(items) // params.batch_images), "batches")
        try:
            return compute_shard(explainer, watched, [noun_indices[item] for item in items], device)
        except LayerError as error:
            raise InputError(str(error)) from error

    arrays: dict[str, Any] = {**run_shards(plan, compute, observer)}
    names = [image.image_id for image in images]
    texts = {"image_id": names, "noun": scorer.nouns, "route": scorer.routes}
    counts = np.asarray(arrays.pop("counts"))
    arrays["offsets"] = row_offsets(counts)  # (I + 1,)
    attributes = describe_scorer(scorer, params)
    write_cache(cams, arrays, texts, attributes, Provenance("cams", plan.fingerprint))
    remove_shards(plan)
    observer.log(f"{len(arrays['maps'])} maps; {sum(map(len, nouns))} nouns are said of the images")
    write_coverage(inputs.files, scorer, phrases, facts, observer)


def load_cams_scorer(
    inputs: CamsInputs, params: CamsParams, nouns: Sequence[set[str]]
) -> NounScorer:
    """Return the scorer that params.yaml names.

    Raises:
        InputError: its files are missing or do not fit each other.
    """
    files, every_noun = inputs.files, sorted(set().union(*nouns))
    source = ScorerSource(
        files.weights,
        files.noun_head,
        noun_label_matches,
        kind=params.scorer,
        prompt=params.clip.prompt,
        backgrounds=params.clip.backgrounds,
    )
    try:
        return load_scorer(source, every_noun)
    except ValueError as error:
        raise InputError(f"{error}; `dvc repro` makes it anew") from error


def nouns_per_image(scorer: NounScorer, nouns: Sequence[set[str]]) -> list[list[int]]:
    """Return which of the scorer's nouns are said of each image, ascending."""
    index_of = {noun: index for index, noun in enumerate(scorer.nouns)}
    return [
        sorted(index_of[noun] for noun in image_nouns if noun in index_of) for image_nouns in nouns
    ]


def find_key(inputs: CamsInputs, params: CamsParams) -> str:
    """Return the fingerprint; how the images are cut into shards changes nothing."""
    section = {key: value for key, value in asdict(params).items() if key != "images_per_shard"}
    files = inputs.files
    part = files.weights / PARTS[params.scorer]
    upstream = [files.annotations, files.nouns, files.noun_head, part, TABLE]
    return fingerprint(Path(__file__), section, upstream)


def describe_scorer(scorer: NounScorer, params: CamsParams) -> dict[str, str]:
    """Return what is explained, and all that it takes to load the scorer again."""
    settings = json.dumps(asdict(params.clip), ensure_ascii=False)
    layer = params.layer or scorer.default_layer
    return {
        "scorer": params.scorer,
        "scorer_settings": settings,
        "layer": layer,
    } | scorer.describe()


def write_coverage(
    files: DatasetFiles,
    scorer: NounScorer,
    phrases: Sequence[PhraseRecord],
    facts: Mapping[str, PhraseFacts],
    observer: Observer,
) -> None:
    """Write and log for which phrases the scorer has a class of the head noun."""
    routes = dict(zip(scorer.nouns, scorer.routes, strict=True))
    coverage = describe_coverage(phrases, facts, routes, LISTED)
    nouns = sorted(set().union(*(fact.nouns for fact in facts.values())))
    coverage["scorers"] = covered_shares(phrases, facts, routes_by_scorer(files, nouns))
    with whole_file(files.cams_coverage) as partial:
        write_json(partial, coverage, indent=2)
    for split, counts in coverage["coverage"].items():
        observer.log(
            f"{split}: a class for {counts['covered']:.1%} of {counts['phrases']} phrases and "
            f"{counts['nouns_covered']:.1%} of {counts['nouns']} nouns; {counts['routes']}"
        )
    observer.log(f"most frequent without a class: {', '.join(coverage['uncovered'][:10])}")


def routes_by_scorer(files: DatasetFiles, nouns: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Return how each noun finds its class, for every scorer whose part of the weights is there."""
    routes: dict[str, Mapping[str, str]] = {}
    for kind in get_args(ScorerKind):
        source = ScorerSource(files.weights, files.noun_head, noun_label_matches, kind, "{}", ())
        if (files.weights / PARTS[kind]).is_dir():
            routes[kind] = find_routes(source, nouns)
    return routes


def main() -> None:
    """Make the maps of the dataset that the command line names."""
    call = stage_call(__doc__, is_of_models=True)
    inputs = CamsInputs(call.files, call.image_folder, call.params.runtime.workers)
    device = pick_device(call.params.runtime.device)
    call.run(
        "cams",
        lambda observer: run(inputs, call.params.cams, device, call.files.cams, observer),
    )


if __name__ == "__main__":
    main()
