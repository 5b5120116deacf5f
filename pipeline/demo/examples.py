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
    """A picture and what to begin with.

    Attributes:
        image: the picture.
        phrases: a line each.
        sentence: that they are from; empty for none.
    """

    image: Path
    phrases: str
    sentence: str = ""


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
    """Return the first pictures outside the training split that are there and have phrases.

    The phrases are the first ones of the picture's first sentence.
    """
    phrases_of: dict[str, list[PhraseRecord]] = {}
    for record in phrases:
        own = phrases_of.setdefault(record.image_id, [])
        if len(own) < PHRASES_EACH and all(one.sentence == record.sentence for one in own):
            own.append(record)
    usable = (
        image
        for image in images
        if image.split != TRAIN and image.image_id in phrases_of and (folder / image.file).is_file()
    )
    chosen = [image for image, _ in zip(usable, range(MOST_EXAMPLES), strict=False)]
    return [
        Example(folder / image.file, "\n".join(one.phrase for one in own), own[0].sentence or "")
        for image in chosen
        for own in [phrases_of[image.image_id]]
    ]
