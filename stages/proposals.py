"""Stage `proposals`: where a detector sees objects in each image, here or in boxes given.

reads   annotations/ (images.jsonl), the images, weights/detector/; or the file of `proposals.given`
writes  proposals.h5
params  proposals
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.detector.detector import Detector, load_detector
from models.given_files.safe_load import ModelFileError
from pipeline.caching.cache import Provenance, write_cache
from pipeline.caching.fingerprint import fingerprint
from pipeline.caching.runs import row_offsets
from pipeline.caching.shards import ShardPlan, remove_shards, run_shards
from pipeline.command_line import stage_call
from pipeline.datasets.proposals.bottom_up_files import read_given
from pipeline.datasets.proposals.given_proposals import (
    NO_USABLE_BOX,
    NUM_EXAMPLES,
    GivenLimits,
    Imported,
    import_given,
    read_names,
)
from pipeline.errors import InputError
from pipeline.images.images import read_image
from pipeline.observe.observer import Observer
from pipeline.params.schema import ProposalsParams
from pipeline.records import ImageRecord, RecordFile, read_records
from pipeline.runtime import pick_device, seed_everything

NO_BOXES = np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class ProposalsInputs:
    """What the stage reads."""

    annotations: Path
    image_folder: Path
    detector: Path


def compute_proposals(
    detector: Detector, images: Iterator[NDArray[np.uint8]], params: ProposalsParams
) -> Mapping[str, NDArray[Any]]:
    """Return the boxes of some images.

    Args:
        detector: a frozen detector.
        images: RGB, uint8 (H, W, 3), I of them.
        params: how many boxes to keep, and which.

    Returns:
        `counts` int64 (I,), and of all M boxes, image after image: `boxes_xyxy` float32 (M, 4) in
        pixels, `scores` float32 (M,) and `labels` int16 (M,).
    """
    detections = detector.detect(
        images,
        max_boxes=params.max_boxes,
        score_floor=params.score_floor,
        nms_iou=params.nms_iou,
        per_class=params.nms == "per_class",
    )
    return {
        "counts": np.array([len(item.scores) for item in detections], np.int64),
        "boxes_xyxy": np.concatenate([*(item.boxes_xyxy for item in detections), NO_BOXES]),
        "scores": np.concatenate([*(item.scores for item in detections), NO_BOXES[:, 0]]),
        "labels": np.concatenate(
            [*(item.labels for item in detections), NO_BOXES[:, 0].astype("i2")]
        ),
    }


def run(
    inputs: ProposalsInputs,
    params: ProposalsParams,
    device: torch.device,
    proposals: Path,
    observer: Observer,
) -> None:
    """Write the proposals of every image, shard by shard.

    Raises:
        InputError: a file is missing, or an image cannot be read.
    """
    seed_everything(0)
    images = RecordFile(inputs.annotations / "images.jsonl", ImageRecord)
    key = fingerprint(Path(__file__), params, [inputs.annotations, inputs.detector])
    plan = ShardPlan("proposals", key, len(images), params.images_per_shard)
    detector = _load(inputs.detector, device, params.batch_images)

    def compute(items: range) -> Mapping[str, NDArray[Any]]:
        pictures = (read_image(inputs.image_folder / images[index].file) for index in items)
        watched = observer.progress(pictures, len(items), "images")
        return compute_proposals(detector, iter(watched), params)

    arrays: dict[str, Any] = {**run_shards(plan, compute, observer)}
    counts = np.asarray(arrays.pop("counts"))
    arrays["offsets"] = row_offsets(counts)  # (I + 1,)
    texts = {"image_id": [image.image_id for image in images], "label": detector.info.classes}
    attributes = {"detector": detector.info.name, "training_set": detector.info.training_set}
    write_cache(proposals, arrays, texts, attributes, Provenance("proposals", key))
    remove_shards(plan)
    mean = counts.mean() if len(counts) else 0.0
    observer.log(f"{mean:.1f} boxes an image, {int((counts == 0).sum())} images without any")


def run_given(
    annotations: Path, source: Path, params: ProposalsParams, proposals: Path, observer: Observer
) -> None:
    """Write the proposals that a tsv file or a folder of npz files holds.

    Args:
        annotations: holds images.jsonl.
        source: the file or folder.
        params: how many boxes to keep, and who made them.
        proposals: the cache to write.
        observer: logs what was wrong.

    Raises:
        InputError: there is no such file, too many images have no row in it or no box that can be
            used, or its classes are counted from another number than `first_label`.
    """
    images = read_records(annotations / "images.jsonl", ImageRecord)
    given = params.given
    labels = read_names(Path(given.vocabulary)) if given.vocabulary else ()
    limits = GivenLimits(params.max_boxes, params.score_floor, labels, given.first_label)
    rows = observer.progress(read_given(source), len(images), "rows")
    imported = import_given(images, rows, limits)
    for problem in _problems(imported):
        observer.log(problem)
    _check_missing(imported, len(images), given.max_missing_fraction, source, observer)
    _check_usable(imported, len(images), given.max_missing_fraction, source)
    _describe_boxes(imported, observer)
    digest = {name: sha256(array.tobytes()).hexdigest() for name, array in imported.arrays.items()}
    key = fingerprint(Path(__file__), [params, digest, imported.label], [annotations])
    texts = {"image_id": [image.image_id for image in images], "label": imported.label}
    attributes = {"detector": given.detector, "training_set": given.training_set}
    write_cache(proposals, imported.arrays, texts, attributes, Provenance("proposals", key))


def _check_missing(
    imported: Imported, num_images: int, most: float, source: Path, observer: Observer
) -> None:
    """Log the images without a row.

    Raises:
        InputError: there are too many of them.
    """
    if not imported.missing:
        return
    named = ", ".join(imported.missing[:NUM_EXAMPLES])
    missing = f"{len(imported.missing)} of {num_images} images have no row in {source}: {named}"
    missing = f"{missing}, ..." if len(imported.missing) > NUM_EXAMPLES else missing
    observer.log(f"warning: {missing}")
    if len(imported.missing) > most * num_images:
        because = "; ".join([*_problems(imported), *imported.examples])
        raise InputError(
            f"{missing}; {because + '; ' if because else ''}complete the file, or raise "
            "proposals.given.max_missing_fraction"
        )


def _check_usable(imported: Imported, num_images: int, most: float, source: Path) -> None:
    """Raise an error if many rows have no box that can be used, or no row has one.

    Raises:
        InputError: it is so.
    """
    unusable = imported.counts[NO_USABLE_BOX]
    if num_images and (unusable > most * num_images or not len(imported.arrays["scores"])):
        problems = "; ".join(_problems(imported)) or "its rows are empty"
        raise InputError(
            f"{source}: {unusable} of {num_images} images have no box that can be used, all have "
            f"{len(imported.arrays['scores'])}: {problems}; mend the file, or raise "
            "proposals.given.max_missing_fraction"
        )


def _problems(imported: Imported) -> list[str]:
    """Return what was wrong how often; what there is none of stays out."""
    return [f"{count} {problem}" for problem, count in sorted((+imported.counts).items())]


def _describe_boxes(imported: Imported, observer: Observer) -> None:
    """Log how many boxes there are, and which classes are most frequent."""
    counts, labels = np.diff(imported.arrays["offsets"]), imported.arrays["labels"]
    mean = counts.mean() if len(counts) else 0.0
    observer.log(f"{mean:.1f} boxes an image, {int((counts == 0).sum())} images without any")
    frequent = Counter(labels.tolist()).most_common(NUM_EXAMPLES)
    names = ", ".join(f"{imported.label[label]} ({count})" for label, count in frequent)
    observer.log(f"most frequent classes: {names}")


def _load(folder: Path, device: torch.device, batch_images: int) -> Detector:
    try:
        return load_detector(folder, device, batch_images)
    except ModelFileError as error:
        raise InputError(f"{error}; `dvc repro weights` makes it anew") from error


def main() -> None:
    """Detect in the images of the dataset that the command line names."""
    call = stage_call(__doc__)
    params, weights = call.params.proposals, call.files.weights
    annotations, proposals = call.files.annotations, call.files.proposals
    if params.source == "given":
        source = Path(params.given.path.replace("{dataset}", call.dataset))
        call.run(
            "proposals",
            lambda observer: run_given(annotations, source, params, proposals, observer),
        )
        return
    inputs = ProposalsInputs(annotations, call.image_folder, weights / "detector")
    device = pick_device(call.params.runtime.device)
    call.run("proposals", lambda observer: run(inputs, params, device, proposals, observer))


if __name__ == "__main__":
    main()
