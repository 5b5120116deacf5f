"""Images, phrases, nouns, proposals and CAMs joined by their ids, in memory.

Shapes: R proposals of an image, M maps of an image, (h, w) cells of a map, P phrases, K noun slots
of a phrase.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.noun_classes.detector_labels import noun_label_matches
from models.phrases.mirroring import with_mirrored
from pipeline.caching.cache import Cache, CacheError
from pipeline.errors import InputError
from pipeline.mentions import HEAD_ROLE, Mention, read_mentions, read_plurals
from pipeline.paths import DatasetFiles
from pipeline.records import ImageRecord, PhraseRecord, read_records

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float32]
Record = TypeVar("Record", ImageRecord, PhraseRecord)


@dataclass(frozen=True)
class NounSlots:
    """The nouns of phrases that have a map, head first.

    Attributes:
        nouns: text of each noun, at most K, of P phrases.
        map_index: the noun's row among the image's maps, 0 where there is no noun, i64 (P, K).
        noun_mask: True = real, bool (P, K).
        noun_roles: 0 head, 1 context, i64 (P, K).
    """

    nouns: list[list[str]]
    map_index: NDArray[np.int64]
    noun_mask: NDArray[np.bool_]
    noun_roles: NDArray[np.int64]


class RaggedRows:
    """An unequal number of rows for each image, from a cache of flat arrays and offsets."""

    def __init__(self, cache: Cache, names: Sequence[str]) -> None:
        self._path = cache.path
        offsets = cache.array("offsets").tolist()
        self._rows = {
            image_id: slice(offsets[index], offsets[index + 1])
            for index, image_id in enumerate(cache.texts("image_id"))
        }
        self._arrays = {name: cache.array(name) for name in names}
        cache.close()

    def of(self, image_id: str) -> Arrays:
        """Return the rows of an image, by name of the array.

        Raises:
            CacheError: the cache does not know the image.
        """
        if image_id not in self._rows:
            raise CacheError(
                f"{self._path}: knows no image {image_id!r}; "
                f"`dvc repro {self._path.stem}` makes it anew"
            )
        return {name: array[self._rows[image_id]] for name, array in self._arrays.items()}


class GroundingTables:
    """What the stages before `train` found out about images and their phrases.

    Attributes:
        image_folder: where the files of the images lie.
        images: of the wanted splits, in the order of the image table.
        phrases: of the wanted splits, in the order of the phrase table.
        labels: what `labels` of a proposal counts in.
        cam_nouns: what `noun_index` of a map counts in.
        cam_scorer: the scorer that the maps explain: `kind`, `prompt`, `backgrounds`.
    """

    def __init__(
        self, files: DatasetFiles, image_folder: Path, splits: Sequence[str] | None
    ) -> None:
        """Read tables and caches; `splits` None means all.

        Raises:
            InputError: there is no phrase, or a cache is missing, damaged, foreign, or not of
                these images.
        """
        self.image_folder = image_folder
        self.images = _of_splits(read_records(files.images, ImageRecord), splits)
        self.phrases = _of_splits(read_records(files.phrases, PhraseRecord), splits)
        if not self.phrases:
            raise InputError(f"{files.phrases}: holds no phrase of the splits {splits}")
        self._mentions, self._plurals = read_mentions(files.nouns), read_plurals(files.nouns)
        proposals = Cache(files.proposals, stage="proposals")
        self.labels = proposals.texts("label")
        self._fits = LabelSimilarity(self._heads(), self.labels)
        self._proposals = RaggedRows(proposals, ("boxes_xyxy", "scores", "labels"))
        cams = Cache(files.cams, stage="cams")
        self.cam_nouns = cams.texts("noun")
        settings = json.loads(str(cams.attribute("scorer_settings")))
        self.cam_scorer = {"kind": cams.attribute("scorer"), **settings}
        self._cams = RaggedRows(cams, ("noun_index", "maps", "confidences"))

    @property
    def texts(self) -> list[str]:
        """Every phrase, and what a mirror makes of it: all that a training may read."""
        return with_mirrored([record.phrase for record in self.phrases])

    @cached_property
    def phrases_of_image(self) -> dict[int, list[int]]:
        """Indices of the phrases of each image that has some, in order."""
        index_of = {image.image_id: index for index, image in enumerate(self.images)}
        found: dict[int, list[int]] = {}
        for index, phrase in enumerate(self.phrases):
            found.setdefault(index_of[phrase.image_id], []).append(index)
        return dict(sorted(found.items()))

    def proposals(self, image_index: int) -> Arrays:
        """Return `boxes_xyxy` f32 (R, 4), original px, `scores` f32 (R,), `labels` i16 (R,)."""
        return self._proposals.of(self.images[image_index].image_id)

    def cams(self, image_index: int) -> Arrays:
        """Return `noun_index` i32 (M,), `maps` f16 (M, h, w), `confidences` f32 (M,)."""
        return self._cams.of(self.images[image_index].image_id)

    def fits(self, phrase_indices: Sequence[int], labels: NDArray[np.integer[Any]]) -> Floats:
        """Return how well phrases fit labels.

        Args:
            phrase_indices: of P phrases.
            labels: the detector's label of R proposals, (R,).

        Returns:
            In [0, 1], float32 (P, R + 1): 1 for everything where no label of the detector fits the
            head noun or there is no head noun; the last column, of the whole image, is else 0.
        """
        return np.stack([self._fits.of(self._head(index), labels) for index in phrase_indices])

    def are_plural(self, phrase_indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return which phrases speak of several things, bool (P,)."""
        return np.array([self._plurals[self.phrases[index].phrase] for index in phrase_indices])

    def noun_slots(
        self, image_index: int, phrase_indices: Sequence[int], max_nouns: int
    ) -> NounSlots:
        """Return the nouns of an image's phrases that have a map on this image."""
        noun_index = self.cams(image_index)["noun_index"]
        row_of = {self.cam_nouns[index]: row for row, index in enumerate(noun_index)}
        found = [
            [mention for mention in self._mentions_of(index) if mention.noun in row_of][:max_nouns]
            for index in phrase_indices
        ]
        slots = NounSlots(
            nouns=[[mention.noun for mention in mentions] for mentions in found],
            map_index=np.zeros((len(found), max_nouns), np.int64),  # (P, K)
            noun_mask=np.zeros((len(found), max_nouns), np.bool_),  # (P, K)
            noun_roles=np.zeros((len(found), max_nouns), np.int64),  # (P, K)
        )
        for phrase, mentions in enumerate(found):
            slots.map_index[phrase, : len(mentions)] = [row_of[item.noun] for item in mentions]
            slots.noun_mask[phrase, : len(mentions)] = True
            slots.noun_roles[phrase, : len(mentions)] = [item.role for item in mentions]
        return slots

    def _mentions_of(self, phrase_index: int) -> list[Mention]:
        phrase = self.phrases[phrase_index].phrase
        if phrase not in self._mentions:
            raise CacheError(f"nouns.h5: has no phrase {phrase!r}; `dvc repro nouns` makes it anew")
        return self._mentions[phrase]

    def _head(self, phrase_index: int) -> str | None:
        mentions = self._mentions_of(phrase_index)
        return next((mention.noun for mention in mentions if mention.role == HEAD_ROLE), None)

    def _heads(self) -> list[str]:
        heads = {self._head(index) for index in range(len(self.phrases))}
        return sorted(head for head in heads if head is not None)


class LabelSimilarity:
    """How well head nouns fit the labels of a detector."""

    def __init__(self, nouns: Sequence[str], labels: Sequence[str]) -> None:
        self._row = {noun: row for row, noun in enumerate(nouns)}
        self._matrix = np.asarray(noun_label_matches(nouns, labels), np.float32)  # (N, L)
        self._is_known: NDArray[np.bool_] = np.any(self._matrix > 0, axis=1)  # (N,)

    def of(self, noun: str | None, labels: NDArray[np.integer[Any]]) -> Floats:
        """Return the fit of a noun and proposals of these labels, and the image, f32 (R + 1,)."""
        if noun is None or not self._is_known[self._row[noun]]:
            return np.ones(len(labels) + 1, np.float32)
        return np.append(self._matrix[self._row[noun], labels], np.float32(0))


def _of_splits(records: list[Record], splits: Sequence[str] | None) -> list[Record]:
    return [record for record in records if splits is None or record.split in splits]
