"""Flickr30K Entities in its official layout, one image at a time.

Layout below the root: `train.txt`, `val.txt` and/or `test.txt` (one image id a line),
`Sentences/<id>.txt`, `Annotations/<id>.xml`; in the folder of the images `<id>.jpg`.

Phrases of chain 0 or of kind `notvisual` are left out everywhere. Evaluation splits keep the
occurrences whose chain has at least one box. Training keeps all others, with or without a box:
keeping only those with boxes would leak annotations into training. For the same reason the
annotation of a training image is not opened.
Source: Plummer et al. 2015, https://arxiv.org/abs/1505.04870.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.given_files.impostors import impostor_of
from models.given_files.text_files import read_lines, read_text, split_lines
from pipeline.datasets.duplicates import mark_file
from pipeline.datasets.files import check_file, check_inside, leads_out
from pipeline.datasets.readers.flickr30k_boxes import BadAnnotationError, BoxFile, parse_boxes
from pipeline.datasets.reading import BadRecord, ImageReading, ReadingPlan
from pipeline.datasets.texts import name_problem, text_problem
from pipeline.errors import InputError
from pipeline.images.images import BadImageError, whole_image_hw
from pipeline.params.datasets import Flickr30kDataset
from pipeline.records import Box, GroundTruth, ImageRecord, PhraseRecord

EVAL_SPLITS = ("val", "test")
_PHRASE = re.compile(r"\[/EN#(\d+)/(\S+?)(?: ([^\[\]]*))?\]")


@dataclass(frozen=True)
class CaptionPhrase:
    """One marked phrase of a sentence.

    Attributes:
        chain: id of the object within its image; `0`: nothing visible.
        kinds: the data set's classes of the object.
        phrase: the marked words.
        span: first character of the phrase in the plain sentence, and one past the last.
    """

    chain: str
    kinds: tuple[str, ...]
    phrase: str
    span: tuple[int, int]

    @property
    def is_visual(self) -> bool:
        """Whether the phrase means something visible in the image."""
        return self.chain != "0" and "notvisual" not in self.kinds


def parse_sentence(line: str) -> tuple[str, list[CaptionPhrase]]:
    """Return a sentence without its markup, and its marked phrases in order.

    A marked phrase without words is returned with an empty `phrase`.

    Raises:
        BadAnnotationError: a mark does not close, or stands in another.
    """
    plain, phrases, end = "", [], 0
    for match in _PHRASE.finditer(line):
        words = " ".join((match[3] or "").split())
        plain += line[end : match.start()]
        span = (len(plain), len(plain) + len(words))
        phrases.append(CaptionPhrase(match[1], tuple(match[2].split("/")), words, span))
        plain += words
        end = match.end()
    plain += line[end:]
    if "[/EN" in plain:
        raise BadAnnotationError(f"its markup does not parse: {line.strip()}")
    return plain.rstrip(), phrases


def plan_flickr30k(name: str, section: Flickr30kDataset) -> ReadingPlan:
    """Return the plan to read the images.

    Args:
        name: key of the data set in params.yaml, for messages.
        section: paths of the data set, and numbers of images to read.

    Raises:
        InputError: the root or a part of it is missing, or an image is in two splits.
    """
    root, images = Path(section.root), Path(section.images)
    _check_layout(name, root, images)
    items: list[tuple[str, str]] = []
    bad: list[BadRecord] = []
    for split in ("train", *EVAL_SPLITS):
        limit = section.train_images if split == "train" else section.eval_images
        ids = _read_ids(root / f"{split}.txt")
        for image_id in ids[:limit] if limit else ids:
            problem = name_problem(f"{image_id}.jpg")
            if problem:
                bad.append(BadRecord("image", problem, f"{root / split}.txt: {image_id}"))
            else:
                items.append((image_id, split))
    _check_disjoint(root, items)
    return ReadingPlan(tuple(items), partial(read_flickr30k_image, root, images), tuple(bad))


def read_flickr30k_image(root: Path, images: Path, item: tuple[str, str]) -> ImageReading:
    """Return the records of one image: its phrases and, in an evaluation split, their boxes.

    Args:
        root: folder of the data set.
        images: folder of the images.
        item: image id and split.
    """
    image_id, split = item
    file = f"{image_id}.jpg"
    try:
        _check_place(images, images / file)
        image_hw = whole_image_hw(images / file)
        mark = mark_file(images / file)
        lines = split_lines(_read_text(root, root / "Sentences" / f"{image_id}.txt"))
        boxes = None if split == "train" else _read_boxes(root, image_id, image_hw)
    except BadImageError as error:
        return _unusable("the image cannot be read", str(error))
    except BadAnnotationError as error:
        return _unusable("the annotation cannot be read", str(error))
    image = ImageRecord(image_id, file, image_hw, split)
    return replace(_read_phrases(image, lines, boxes), file_mark=mark)


def _read_phrases(image: ImageRecord, lines: list[str], boxes: BoxFile | None) -> ImageReading:
    """Return the records of an image's sentences; `boxes` is None in training."""
    bad = [BadRecord("phrase", *problem) for problem in (boxes.problems if boxes else ())]
    phrases, ground_truth = [], []
    for line_index, line in enumerate(lines):
        try:
            visible = list(_visible_phrases(line, boxes))
        except BadAnnotationError as error:
            bad.append(
                BadRecord("phrase", "the markup does not parse", f"{image.image_id}: {error}")
            )
            continue
        sentence = parse_sentence(line)[0]
        for phrase_index, marked, chain_boxes in visible:
            phrase_id = f"{image.image_id}/{line_index}/{phrase_index}"
            if not marked.phrase:
                bad.append(BadRecord("phrase", "the phrase has no words", phrase_id))
                continue
            problem = text_problem(marked.phrase, *marked.kinds)
            if problem:
                bad.append(BadRecord("phrase", problem, phrase_id))
                continue
            facts = (phrase_id, image.image_id, image.split, marked.phrase, sentence, marked.span)
            phrases.append(PhraseRecord(*facts))
            if boxes is not None:
                ground_truth.append(GroundTruth(phrase_id, chain_boxes, marked.kinds))
    return ImageReading(image, tuple(phrases), tuple(ground_truth), tuple(bad))


def _visible_phrases(
    line: str, boxes: BoxFile | None
) -> Iterator[tuple[int, CaptionPhrase, tuple[Box, ...]]]:
    """Yield index, phrase and boxes of each phrase of a sentence that is to be localised."""
    for index, marked in enumerate(parse_sentence(line)[1]):
        chain_boxes = boxes.of_chain(marked.chain) if boxes else ()
        if marked.is_visual and (boxes is None or chain_boxes):
            yield index, marked, chain_boxes


def _read_boxes(root: Path, image_id: str, image_hw: tuple[int, int]) -> BoxFile:
    """Return the boxes of an annotation, which must be of an image of this size."""
    path = root / "Annotations" / f"{image_id}.xml"
    boxes = parse_boxes(_read_text(root, path), str(path))
    if boxes.image_hw != image_hw:
        raise BadAnnotationError(
            f"{path}: is for an image of {boxes.image_hw} pixels (height, width), "
            f"but the image has {image_hw}; scale the boxes with the image"
        )
    return boxes


def _unusable(cause: str, detail: str) -> ImageReading:
    return ImageReading(None, bad=(BadRecord("image", cause, detail),))


def _check_place(folder: Path, path: Path) -> None:
    if leads_out(folder, path):
        raise BadAnnotationError(f"{path}: lies outside of {folder}; put the file itself there")


def _read_text(root: Path, path: Path) -> str:
    _check_place(root, path)
    try:
        what = impostor_of(path)
        text = read_text(path)
    except FileNotFoundError as error:
        raise BadAnnotationError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadAnnotationError(f"{path}: {error}") from error
    if what:
        raise BadAnnotationError(f"{path}: is {what}; put the file itself there")
    return text


def _read_ids(path: Path) -> list[str]:
    """Return the ids of a split, one a line; none if the data set has no such split.

    Raises:
        InputError: the list is none, or cannot be read as UTF-8.
    """
    if not path.is_file():
        return []
    check_inside(path.parent, path)
    check_file(path)
    try:
        ids = (line.strip(" \t") for line in read_lines(path))
        return [image_id for image_id in ids if image_id]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}; save it as UTF-8") from error


def _check_layout(name: str, root: Path, images: Path) -> None:
    key = f"datasets.{name}.root in params.yaml"
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; set {key} to where Flickr30K Entities lies")
    if not images.is_dir():
        raise InputError(f"{images}: no such folder; datasets.{name}.images must name it")
    for part in ("Sentences", "Annotations"):
        if not (root / part).exists():
            raise InputError(f"{root / part}: missing; {key} must name a folder that holds it")
    if not any((root / f"{split}.txt").is_file() for split in EVAL_SPLITS):
        raise InputError(f"{root}: neither val.txt nor test.txt is there; add one to evaluate on")


def _check_disjoint(root: Path, items: list[tuple[str, str]]) -> None:
    splits: dict[str, str] = {}
    for image_id, split in items:
        if image_id in splits:
            raise InputError(
                f"{root / split}.txt: image {image_id} is listed already, in "
                f"{splits[image_id]}.txt; remove one, or what is trained on would be tested on"
            )
        splits[image_id] = split
