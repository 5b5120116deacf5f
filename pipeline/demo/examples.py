"""Pictures to try a model on: a few of those that it was evaluated on, with their phrases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.paths import image_folder
from pipeline.records import ImageRecord, PhraseRecord, read_records
from pipeline.serving.model_folder import PACKED_FILE, find_results

MOST_EXAMPLES, PHRASES_EACH = 6, 2
TRAIN = "train"


@dataclass(frozen=True)
class Example:
    """A picture and phrases to begin with, a line each."""

    image: Path
    phrases: str


def find_examples(model: Path) -> Sequence[Example]:
    """Return examples from the data of a project's model; none of a packed one or without data."""
    if (model / PACKED_FILE).is_file():
        return ()
    place = find_results(model)
    section = read_params(place.root / PARAMS_FILE).datasets.get(place.results.dataset)
    if section is None:
        return ()
    folder = place.root / image_folder(place.results.dataset, section)
    try:
        images = read_records(place.root / place.files.images, ImageRecord)
        phrases = read_records(place.root / place.files.phrases, PhraseRecord)
    except InputError:
        return ()
    return _choose(folder, images, phrases)


def _choose(
    folder: Path, images: Sequence[ImageRecord], phrases: Sequence[PhraseRecord]
) -> list[Example]:
    """Return the first pictures outside the training split that are there and have phrases."""
    phrases_of: dict[str, list[str]] = {}
    for record in phrases:
        phrases_of.setdefault(record.image_id, []).append(record.phrase)
    usable = (
        image
        for image in images
        if image.split != TRAIN and image.image_id in phrases_of and (folder / image.file).is_file()
    )
    chosen = [image for image, _ in zip(usable, range(MOST_EXAMPLES), strict=False)]
    return [
        Example(folder / image.file, "\n".join(phrases_of[image.image_id][:PHRASES_EACH]))
        for image in chosen
    ]
