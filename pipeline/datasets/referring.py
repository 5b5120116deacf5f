"""Referring expressions of any layout, grouped by picture and checked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.given_files.foreign_values import short_text
from pipeline.datasets.box_formats import BoxForm, check_box
from pipeline.datasets.duplicates import mark_file
from pipeline.datasets.files import PictureFinder, PictureNameError
from pipeline.datasets.reading import BadRecord, ImageReading, ReadingPlan
from pipeline.datasets.texts import name_problem, text_problem
from pipeline.images.images import BadImageError, whole_image_hw
from pipeline.records import Box, GroundTruth, ImageRecord, PhraseRecord

TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Referral:
    """One phrase about one picture, as it stands in a file.

    Attributes:
        phrase_id: unique within the data set.
        picture: file name of the picture.
        split: of the phrase.
        phrase: its words.
        boxes: values of the file, unchecked; unused in training.
        declared_hw: height and width of the picture according to the file, if given.
        kinds: the data set's own classes of the object.
        sentence: that the phrase was taken from, if any.
        span: first character of the phrase in `sentence`, and one past the last.
    """

    phrase_id: str
    picture: str
    split: str
    phrase: str
    boxes: tuple[object, ...]
    declared_hw: tuple[int, int] | None = None
    kinds: tuple[str, ...] = ()
    sentence: str | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ReferredPicture:
    """One picture and the phrases of one split about it.

    Attributes:
        image_id: its file name without suffix, with `@split` if an earlier split has that id.
        file: below the folder of the pictures.
        split: of the phrases.
        referrals: in the order of the files; without boxes in training.
        problem: cause and detail, if its name cannot be used.
    """

    image_id: str
    file: str
    split: str
    referrals: tuple[Referral, ...]
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class ReferringData:
    """Content of the files of a layout.

    Attributes:
        referrals: in the order of the files.
        form: meaning of the four numbers of a box.
        bad: what could not be used.
        remarks: caveats on this data set, for the log and the report.
    """

    referrals: Sequence[Referral]
    form: BoxForm
    bad: Sequence[BadRecord] = ()
    remarks: tuple[str, ...] = ()


def plan_referring(
    data: ReferringData, images: Path, train_images: int, eval_images: int
) -> ReadingPlan:
    """Return the plan to read the pictures: training first, then the splits as they appear.

    Boxes of training phrases are dropped here, before they are read.

    Args:
        data: content of the files.
        images: folder of the pictures.
        train_images: number of pictures to keep, from the beginning of training; 0 for all.
        eval_images: the same for each other split.

    Raises:
        InputError: the folder is missing.
    """
    unique, repeated = _unique(data.referrals)
    by_split: dict[str, dict[str, list[Referral]]] = {TRAIN: {}}
    for referral in unique:
        stripped = replace(referral, boxes=()) if referral.split == TRAIN else referral
        by_split.setdefault(referral.split, {}).setdefault(referral.picture, []).append(stripped)
    finder = PictureFinder(images)
    items: list[ReferredPicture] = []
    taken: set[str] = set()
    for split, pictures in by_split.items():
        limit = train_images if split == TRAIN else eval_images
        for picture, referrals in list(pictures.items())[: limit or None]:
            place = (picture, split, tuple(referrals))
            items.append(_find_picture(finder, _take_id(picture, split, taken), *place))
    read = partial(read_referred_picture, images, data.form)
    return ReadingPlan(tuple(items), read, (*data.bad, *repeated), data.remarks)


def read_referred_picture(images: Path, form: BoxForm, item: ReferredPicture) -> ImageReading:
    """Return the records of one picture: its phrases and, in an evaluation split, their boxes.

    Args:
        images: folder of the pictures.
        form: meaning of the four numbers of a box.
        item: the picture.
    """
    if item.problem:
        return _unusable(*item.problem)
    try:
        image_hw = whole_image_hw(images / item.file)
        mark = mark_file(images / item.file)
    except BadImageError as error:
        return _unusable("the image cannot be read", str(error))
    declared = next((ref.declared_hw for ref in item.referrals if ref.declared_hw), image_hw)
    if declared != image_hw:
        detail = (
            f"{images / item.file}: is annotated as {declared} pixels (height, width), but has "
            f"{image_hw}; take the original picture"
        )
        return _unusable("the image has another size than the annotated one", detail)
    image = ImageRecord(item.image_id, item.file, image_hw, item.split)
    return replace(_read_phrases(image, form, item.referrals), file_mark=mark)


def _find_picture(
    finder: PictureFinder, image_id: str, picture: str, split: str, referrals: tuple[Referral, ...]
) -> ReferredPicture:
    try:
        return ReferredPicture(image_id, finder.find(picture), split, referrals)
    except PictureNameError as error:
        return ReferredPicture(image_id, picture, split, referrals, (error.cause, str(error)))


def _read_phrases(image: ImageRecord, form: BoxForm, referrals: Iterable[Referral]) -> ImageReading:
    bad: list[BadRecord] = []
    phrases, ground_truth = [], []
    for referral in referrals:
        phrase = " ".join(referral.phrase.split())
        if not phrase:
            bad.append(BadRecord("phrase", "the phrase has no words", referral.phrase_id))
            continue
        if image.split != TRAIN:
            boxes = _usable_boxes(referral, form, image.image_hw, bad)
            if not boxes:
                continue
            ground_truth.append(GroundTruth(referral.phrase_id, boxes, referral.kinds))
        place = (referral.sentence, referral.span)
        phrases.append(
            PhraseRecord(referral.phrase_id, image.image_id, image.split, phrase, *place)
        )
    return ImageReading(image, tuple(phrases), tuple(ground_truth), tuple(bad))


def _usable_boxes(
    referral: Referral, form: BoxForm, image_hw: tuple[int, int], bad: list[BadRecord]
) -> tuple[Box, ...]:
    """Return the boxes with area in the image; report the others, or that there is none."""
    if not referral.boxes:
        bad.append(BadRecord("phrase", "the phrase has no box: skipped", referral.phrase_id))
    boxes = []
    for values in referral.boxes:
        box, problem = check_box(values, form, image_hw)
        if problem:
            given = short_text(values)
            detail = f"{referral.phrase_id}: {given} in an image of {image_hw} (height, width)"
            bad.append(BadRecord("phrase", problem, detail))
        if box:
            boxes.append(box)
    return tuple(boxes)


def _take_id(picture: str, split: str, taken: set[str]) -> str:
    """Return an id that no other picture, and no other split of this one, has taken."""
    stem = picture.rpartition(".")[0] or picture
    candidates = (stem, f"{stem}@{split}", f"{picture}@{split}")
    image_id = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(image_id)
    return image_id


def _unique(referrals: Iterable[Referral]) -> tuple[list[Referral], list[BadRecord]]:
    """Return the first usable referral of each id, and a bad record for each other one."""
    ids: set[str] = set()
    unique, bad = [], []
    for referral in referrals:
        problem = _problem(referral)
        if problem:
            bad.append(BadRecord("phrase", problem, f"{referral.phrase_id}: {referral.picture!a}"))
        elif referral.phrase_id in ids:
            bad.append(
                BadRecord("phrase", "an id occurs twice: the first stays", referral.phrase_id)
            )
        else:
            ids.add(referral.phrase_id)
            unique.append(referral)
    return unique, bad


def _problem(referral: Referral) -> str | None:
    """Return why the texts of a referral cannot be used, or None."""
    texts = (referral.phrase_id, referral.split, referral.phrase, referral.sentence)
    return text_problem(*texts, *referral.kinds) or name_problem(referral.picture)


def _unusable(cause: str, detail: str) -> ImageReading:
    return ImageReading(None, bad=(BadRecord("image", cause, detail),))
