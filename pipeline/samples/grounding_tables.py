"""Images, phrases, nouns, proposals and CAMs joined by their ids, read where they are asked for.

Shapes: M maps of (h, w) cells of an image, P phrases, N head nouns, L labels of the detector.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.given_files.json_files import parse_json
from models.phrases.mirroring import with_mirrored
from pipeline.caching.cache import Cache, CacheError, damage_as_cache_error
from pipeline.caching.runs import check_runs
from pipeline.errors import InputError
from pipeline.mentions import PhraseFacts, PhraseFactsTable
from pipeline.params.train import LabelParams
from pipeline.paths import DatasetFiles
from pipeline.records import REMEDY, FieldTexts, ImageRecord, PhraseRecord, RecordFile
from pipeline.samples.image_phrases import ImagePhrases
from pipeline.samples.label_similarity import EXACT, LabelSimilarity, compare_labels
from pipeline.samples.sample_facts import (
    Arrays,
    EarlierPhrases,
    SampleFacts,
    anchor_text,
    fill_slots,
    place_text,
)
from pipeline.samples.sentences import SentenceReader
from pipeline.text_index import PackedTexts, TextIndex

NamedArrays = tuple[Arrays, tuple[str, ...]]

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
        index: which of the I images in the cache one is, by its id.
        offsets: where the rows of each of them begin and end, int64 (I + 1,).
        arrays: by name, the rows of all images on axis 0; of a cache, as a map of the file.
    """

    path: Path
    names: tuple[str, ...]
    index: TextIndex
    offsets: NDArray[np.int64]
    arrays: Arrays

    @classmethod
    def from_cache(cls, cache: Cache, names: str, arrays: Sequence[str]) -> Self:
        """Map some arrays of a cache, and load the texts under `names`; the file is closed.

        Raises:
            CacheError: the file is damaged.
        """
        texts, image_ids = tuple(cache.texts(names)), cache.packed_texts("image_id")
        offsets, columns = cache.mapped("offsets"), {name: cache.mapped(name) for name in arrays}
        cache.close()
        with damage_as_cache_error(cache.path):
            if len(offsets) != len(image_ids) + 1:
                raise ValueError("`offsets` are not one more than the images")
            check_runs(offsets, int(offsets[-1]))
            for name, column in columns.items():
                _check_column(name, column, int(offsets[-1]), len(texts))
            return cls(cache.path, texts, TextIndex(image_ids), offsets, columns)

    @classmethod
    def of_one(cls, image_id: str, names: tuple[str, ...], arrays: Arrays) -> Self:
        """Return all rows of some arrays as those of one image."""
        num_rows = len(next(iter(arrays.values())))
        index = TextIndex(PackedTexts.pack([image_id]))
        return cls(Path(image_id), names, index, np.array([0, num_rows]), arrays)

    def span(self, image_id: str) -> slice:
        """Return which rows are an image's.

        Raises:
            CacheError: the cache does not know the image.
        """
        image = self.index.find(image_id)
        if image is None:
            raise CacheError(
                f"{self.path}: knows no image {image_id!r}; "
                f"`dvc repro {self.path.stem}` makes it anew"
            )
        return slice(*self.offsets[image : image + 2].tolist())

    def of(self, image_id: str) -> Arrays:
        """Return a copy of the rows of an image, by name of the array.

        Raises:
            CacheError: the cache does not know the image.
        """
        span = self.span(image_id)
        return {name: array[span].copy() for name, array in self.arrays.items()}


def _check_column(name: str, column: NDArray[Any], num_rows: int, num_names: int) -> None:
    """Check that an array has as many rows, and that whole numbers count in the names.

    Raises:
        ValueError: they do not.
    """
    if len(column) != num_rows:
        raise ValueError(f"`{name}` has {len(column)} rows, not {num_rows} as `offsets` say")
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
        """Open tables and caches of a dataset; `splits` None means all.

        Raises:
            InputError: there is no phrase, or a cache is missing, damaged, foreign, or not of
                these phrases.
        """
        images = RecordFile(files.images, ImageRecord, splits, hashed=["image_id"])
        phrases = RecordFile(files.phrases, PhraseRecord, splits, hashed=["image_id", "phrase"])
        if not phrases:
            raise InputError(f"{files.phrases}: holds no phrase of the splits {splits}")
        facts = PhraseFactsTable(files.nouns)
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
            compare_labels(compared_nouns(phrases, facts), proposals.names, EXACT, None),
            {"kind": cams.attribute("scorer"), **settings},
        )

    @classmethod
    def from_picture(
        cls,
        image_hw: tuple[int, int],
        phrases: Sequence[PhraseRecord],
        facts: Mapping[str, PhraseFacts],
        proposals: NamedArrays,
        cams: NamedArrays,
    ) -> Self:
        """Return the tables of one image, which is at hand, and of its phrases.

        Args:
            image_hw: height and width of the picture.
            phrases: to localise, each made by `picture_phrase`.
            facts: by text, of every phrase.
            proposals: arrays as in `SampleFacts.proposals`, and the detector's labels.
            cams: `noun_index` i32 (M,), `maps` f16 (M, h, w), `confidences` f32 (M,), and the nouns
                that `noun_index` counts in.
        """
        boxes, labels = proposals
        maps, nouns = cams
        name = _PICTURE
        return cls(
            Path(),
            [ImageRecord(name, name, image_hw, name)],
            phrases,
            facts,
            ImageRows.of_one(name, labels, boxes),
            ImageRows.of_one(name, nouns, maps),
            compare_labels(compared_nouns(phrases, facts), labels, EXACT, None),
            {},
        )

    def with_labels_compared(self, params: LabelParams, weights: Path) -> Self:
        """Return the tables with labels and nouns compared as params say.

        Args:
            params: how.
            weights: folder of the dataset's weights.

        Raises:
            InputError: a part of the weights is asked for and there is none.
        """
        nouns = compared_nouns(self.phrases, self.phrase_facts)
        similarity = compare_labels(nouns, self.proposals.names, params, weights)
        return replace(self, label_similarity=similarity)

    @property
    def texts(self) -> Iterator[str]:
        """Every phrase, as often as it occurs, and what a mirror makes of it."""
        for text, times in count_texts(self.phrases, self.phrase_facts):
            yield from repeat(text, times)
            for mirrored in with_mirrored([text])[1:]:
                yield from repeat(mirrored, times)

    @property
    def place_texts(self) -> Iterator[str]:
        """What every distinct phrase says of where its thing is, and what a mirror makes of it."""
        for text, _ in count_texts(self.phrases, self.phrase_facts):
            fact = self.phrase_facts[text]
            yield from with_mirrored(
                [place_text(text, fact.subject, anchor_text(text, fact.place))]
            )

    @cached_property
    def phrases_of_image(self) -> ImagePhrases:
        """Indices of the phrases of each image that has some, in order.

        Raises:
            CacheError: a phrase speaks of an image that is not there.
        """
        index = TextIndex(FieldTexts(self.images, "image_id"))
        image_of_phrase = index.find_all(FieldTexts(self.phrases, "image_id"))  # (P,)
        if (image_of_phrase < 0).any():
            lost = self.phrases[int(image_of_phrase.argmin())].image_id
            raise CacheError(f"images.jsonl: holds no image {lost!r}; {REMEDY}")
        return ImagePhrases.group(image_of_phrase)

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
        phrases = [self.phrases[index] for index in phrase_indices]
        facts = [_lookup(self.phrase_facts, record.phrase) for record in phrases]
        cams = self.cams.of(image.image_id)
        nouns = [self.cams.names[index] for index in cams["noun_index"]]
        no_map = np.zeros((1, 1, 1), np.float32)
        return SampleFacts(
            image=image,
            phrases=[record.phrase for record in phrases],
            subjects=[fact.subject for fact in facts],
            is_plural=np.array([fact.is_plural for fact in facts]),  # (P,)
            is_plain=np.array([fact.is_plain for fact in facts]),  # (P,)
            places=[fact.place for fact in facts],
            proposals=self.proposals.of(image.image_id),
            label_similarity=self.label_similarity.of([fact.head for fact in facts]),
            anchor_similarity=self.label_similarity.of_others([fact.anchor for fact in facts]),
            earlier=self._earlier(image_index, phrases),
            slots=fill_slots([fact.mentions for fact in facts], nouns, max_nouns),
            maps=cams["maps"].astype(np.float32) if nouns else no_map,
            confidences=cams["confidences"] if nouns else no_map[0, 0],
        )

    def _earlier(self, image_index: int, asked: Sequence[PhraseRecord]) -> EarlierPhrases:
        """Return what stands before phrases of an image in their sentences."""
        of_image: list[PhraseRecord] = []
        if any(record.sentence is not None for record in asked):
            of_image = [self.phrases[index] for index in self.phrases_of_image[image_index]]
        return SentenceReader(of_image, self.phrase_facts, self.label_similarity).before(asked)


def picture_phrase(
    phrase: str, sentence: str | None = None, span: tuple[int, int] | None = None
) -> PhraseRecord:
    """Return the record of a phrase about a picture at hand, see `GroundingTables.from_picture`."""
    return PhraseRecord(phrase, _PICTURE, _PICTURE, phrase, sentence, span)


def compared_nouns(phrases: Sequence[PhraseRecord], facts: Mapping[str, PhraseFacts]) -> set[str]:
    """Return the head nouns and anchors of phrases.

    Raises:
        CacheError: the nouns stage has not seen a phrase.
    """
    if isinstance(facts, PhraseFactsTable):
        return facts.compared_nouns(_rows(phrases, facts))
    distinct = [_lookup(facts, phrase) for phrase in {record.phrase for record in phrases}]
    return {noun for fact in distinct for noun in (fact.head, fact.anchor) if noun is not None}


def count_texts(
    phrases: Sequence[PhraseRecord], facts: Mapping[str, PhraseFacts]
) -> Iterator[tuple[str, int]]:
    """Yield every distinct phrase and how often it occurs.

    Raises:
        CacheError: the nouns stage has not seen a phrase.
    """
    if isinstance(facts, PhraseFactsTable):
        counts = np.bincount(_rows(phrases, facts))
        for row in np.flatnonzero(counts).tolist():
            yield facts.phrase(row), int(counts[row])
    else:
        yield from Counter(record.phrase for record in phrases).items()


def _rows(phrases: Sequence[PhraseRecord], facts: PhraseFactsTable) -> NDArray[np.int64]:
    """Return the row of every phrase among the facts, int64 (P,)."""
    rows = facts.rows(FieldTexts(phrases, "phrase"))
    if (rows < 0).any():
        _lookup(facts, phrases[int(rows.argmin())].phrase)
    return rows


def _lookup(phrase_facts: Mapping[str, PhraseFacts], phrase: str) -> PhraseFacts:
    if phrase not in phrase_facts:
        raise CacheError(f"nouns.h5: has no phrase {phrase!r}; `dvc repro nouns` makes it anew")
    return phrase_facts[phrase]
