"""Images, phrases, nouns, proposals and CAMs joined by their ids, in memory.

Shapes: M maps of (h, w) cells of an image, P phrases, N head nouns, L labels of the detector.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.given_files.json_files import parse_json
from models.phrases.mirroring import with_mirrored
from pipeline.caching.cache import Cache, CacheError, damage_as_cache_error
from pipeline.errors import InputError
from pipeline.mentions import PhraseFacts, read_phrase_facts
from pipeline.params.train import LabelParams
from pipeline.paths import DatasetFiles
from pipeline.records import ImageRecord, PhraseRecord, read_records
from pipeline.samples.label_similarity import EXACT, LabelSimilarity, compare_labels
from pipeline.samples.sample_facts import Arrays, SampleFacts, fill_slots

NamedArrays = tuple[Arrays, tuple[str, ...]]
Record = TypeVar("Record", ImageRecord, PhraseRecord)

_PICTURE = "picture"  # id, name and split of an image that no data set holds
NO_PROPOSALS: NamedArrays = (
    {
        "boxes_xyxy": np.zeros((0, 4), np.float32),
        "scores": np.zeros(0, np.float32),
        "labels": np.zeros(0, np.int16),
    },
    (),
)
NO_CAMS: NamedArrays = (
    {
        "noun_index": np.zeros(0, np.int32),
        "maps": np.zeros((0, 1, 1), np.float16),
        "confidences": np.zeros(0, np.float32),
    },
    (),
)


@dataclass(frozen=True)
class ImageRows:
    """Arrays with a run of rows for each image, and the texts that one of the arrays counts in.

    Attributes:
        path: the cache, for messages.
        names: the texts.
        spans: which rows are an image's, by its id.
        arrays: by name, the rows of all images on axis 0.
    """

    path: Path
    names: tuple[str, ...]
    spans: Mapping[str, slice]
    arrays: Arrays

    @classmethod
    def from_cache(cls, cache: Cache, names: str, arrays: Sequence[str]) -> Self:
        """Load some arrays of a cache, and the texts under `names`; the file is closed.

        Raises:
            CacheError: the file is damaged.
        """
        texts, columns = tuple(cache.texts(names)), {name: cache.array(name) for name in arrays}
        bounds, image_ids = cache.array("offsets").tolist(), cache.texts("image_id")
        cache.close()
        with damage_as_cache_error(cache.path):
            spans = [slice(start, stop) for start, stop in pairwise(bounds)]
            for name, column in columns.items():
                _check_column(name, column, bounds, len(texts))
            return cls(cache.path, texts, dict(zip(image_ids, spans, strict=True)), columns)

    def of(self, image_id: str) -> Arrays:
        """Return the rows of an image, by name of the array.

        Raises:
            CacheError: the cache does not know the image.
        """
        if image_id not in self.spans:
            raise CacheError(
                f"{self.path}: knows no image {image_id!r}; "
                f"`dvc repro {self.path.stem}` makes it anew"
            )
        return {name: array[self.spans[image_id]] for name, array in self.arrays.items()}


def _check_column(name: str, column: NDArray[Any], bounds: Sequence[int], num_names: int) -> None:
    """Check that the runs of rows of an array cover it, and that whole numbers count in the names.

    Raises:
        ValueError: they do not.
    """
    if [0, *bounds, len(column)] != sorted([0, *bounds, len(column)]) or bounds[-1] != len(column):
        raise ValueError(f"`offsets` do not cut `{name}` into runs")
    if column.dtype.kind in "iu" and len(column):
        low, high = int(column.min()), int(column.max())
        if low < 0 or high >= num_names:
            raise ValueError(f"`{name}` counts from {low} to {high} in {num_names} names")


@dataclass(frozen=True)
class GroundingTables:
    """What the stages before `train` found out about images and their phrases.

    Attributes:
        image_folder: where the files of the images lie.
        images: in the order of the image table.
        phrases: in the order of the phrase table.
        phrase_facts: by text, of every phrase.
        proposals: `boxes_xyxy` f32, original px, `scores` f32, `labels` i16, which count in names.
        cams: `noun_index` i32, which counts in names, `maps` f16, `confidences` f32.
        label_similarity: of the phrases' head nouns and anchors.
        cam_scorer: the scorer that the maps explain: `kind`, `prompt`, `backgrounds`; empty where
            that is not known.
    """

    image_folder: Path
    images: Sequence[ImageRecord]
    phrases: Sequence[PhraseRecord]
    phrase_facts: Mapping[str, PhraseFacts]
    proposals: ImageRows
    cams: ImageRows
    label_similarity: LabelSimilarity
    cam_scorer: Mapping[str, Any]

    @classmethod
    def from_caches(
        cls, files: DatasetFiles, image_folder: Path, splits: Sequence[str] | None
    ) -> Self:
        """Load tables and caches of a dataset; `splits` None means all.

        Raises:
            InputError: there is no phrase, or a cache is missing, damaged, foreign, or not of
                these phrases.
        """
        images = _of_splits(read_records(files.images, ImageRecord), splits)
        phrases = _of_splits(read_records(files.phrases, PhraseRecord), splits)
        if not phrases:
            raise InputError(f"{files.phrases}: holds no phrase of the splits {splits}")
        facts = read_phrase_facts(files.nouns)
        nouns = _compared_nouns(_lookup(facts, record.phrase) for record in phrases)
        proposals = ImageRows.from_cache(
            Cache(files.proposals, stage="proposals"), "label", ("boxes_xyxy", "scores", "labels")
        )
        cams = Cache(files.cams, stage="cams")
        with damage_as_cache_error(files.cams):
            settings = dict(parse_json(str(cams.attribute("scorer_settings"))))
        return cls(
            image_folder,
            images,
            phrases,
            facts,
            proposals,
            ImageRows.from_cache(cams, "noun", ("noun_index", "maps", "confidences")),
            compare_labels(nouns, proposals.names, EXACT, None),
            {"kind": cams.attribute("scorer"), **settings},
        )

    @classmethod
    def from_picture(
        cls,
        image_hw: tuple[int, int],
        facts: Mapping[str, PhraseFacts],
        proposals: NamedArrays,
        cams: NamedArrays,
    ) -> Self:
        """Return the tables of one image, which is at hand, and of its phrases.

        Args:
            image_hw: height and width of the picture.
            facts: by text, of the phrases to localise, in order.
            proposals: arrays as in `SampleFacts.proposals`, and the detector's labels.
            cams: `noun_index` i32 (M,), `maps` f16 (M, h, w), `confidences` f32 (M,), and the nouns
                that `noun_index` counts in.
        """
        boxes, labels = proposals
        maps, nouns = cams
        name, whole = _PICTURE, {_PICTURE: slice(None)}
        return cls(
            Path(),
            [ImageRecord(name, name, image_hw, name)],
            [PhraseRecord(phrase, name, name, phrase) for phrase in facts],
            facts,
            ImageRows(Path(name), labels, whole, boxes),
            ImageRows(Path(name), nouns, whole, maps),
            compare_labels(_compared_nouns(facts.values()), labels, EXACT, None),
            {},
        )

    def with_labels_compared(self, params: LabelParams, language: Path) -> Self:
        """Return the tables with labels and nouns compared as params say.

        Args:
            params: how.
            language: folder of the text encoder.

        Raises:
            InputError: a text encoder is asked for and there is none.
        """
        nouns = _compared_nouns(self.phrase_facts[record.phrase] for record in self.phrases)
        similarity = compare_labels(nouns, self.proposals.names, params, language)
        return replace(self, label_similarity=similarity)

    @property
    def texts(self) -> list[str]:
        """Every phrase, and what a mirror makes of it: all that a training may read."""
        return with_mirrored([record.phrase for record in self.phrases])

    @cached_property
    def phrases_of_image(self) -> dict[int, list[int]]:
        """Indices of the phrases of each image that has some, in order."""
        index_of = {image.image_id: index for index, image in enumerate(self.images)}
        phrases_of: dict[int, list[int]] = {}
        for index, phrase in enumerate(self.phrases):
            phrases_of.setdefault(index_of[phrase.image_id], []).append(index)
        return dict(sorted(phrases_of.items()))

    def facts_of(self, phrase_index: int) -> PhraseFacts:
        """Return what the nouns stage found out about a phrase.

        Raises:
            CacheError: it has not seen the phrase.
        """
        return _lookup(self.phrase_facts, self.phrases[phrase_index].phrase)

    def gather(
        self, image_index: int, phrase_indices: Sequence[int], max_nouns: int
    ) -> SampleFacts:
        """Return all that is known of an image and P of its phrases, K = `max_nouns` slots each.

        Raises:
            CacheError: a cache does not know the image or a phrase.
        """
        image = self.images[image_index]
        facts = [self.facts_of(index) for index in phrase_indices]
        cams = self.cams.of(image.image_id)
        nouns = [self.cams.names[index] for index in cams["noun_index"]]
        no_map = np.zeros((1, 1, 1), np.float32)
        return SampleFacts(
            image=image,
            phrases=[self.phrases[index].phrase for index in phrase_indices],
            subjects=[fact.subject for fact in facts],
            is_plural=np.array([fact.is_plural for fact in facts]),  # (P,)
            is_plain=np.array([fact.is_plain for fact in facts]),  # (P,)
            places=[fact.place for fact in facts],
            proposals=self.proposals.of(image.image_id),
            label_similarity=self.label_similarity.of([fact.head for fact in facts]),
            anchor_similarity=self.label_similarity.of_anchors([fact.anchor for fact in facts]),
            slots=fill_slots([fact.mentions for fact in facts], nouns, max_nouns),
            maps=cams["maps"].astype(np.float32) if nouns else no_map,
            confidences=cams["confidences"] if nouns else no_map[0, 0],
        )


def _compared_nouns(facts: Iterable[PhraseFacts]) -> set[str]:
    """Return the head nouns and anchors of phrases."""
    return {noun for fact in facts for noun in (fact.head, fact.anchor) if noun is not None}


def _lookup(phrase_facts: Mapping[str, PhraseFacts], phrase: str) -> PhraseFacts:
    if phrase not in phrase_facts:
        raise CacheError(f"nouns.h5: has no phrase {phrase!r}; `dvc repro nouns` makes it anew")
    return phrase_facts[phrase]


def _of_splits(records: list[Record], splits: Sequence[str] | None) -> list[Record]:
    return [record for record in records if splits is None or record.split in splits]
