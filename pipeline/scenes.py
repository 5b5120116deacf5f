"""Put together, from the caches, what a method without training may look at.

Shapes: N nouns, L labels, R proposals of an image, (h, w) cells of a map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.baselines import Scene
from pipeline.cache import Cache, CacheError
from pipeline.label_words import match_matrix
from pipeline.layout import DatasetFiles
from pipeline.records import ImageRecord, PhraseRecord


@dataclass(frozen=True)
class PhraseNouns:
    """What the nouns stage found in a phrase.

    Attributes:
        head: the head noun; None if there is none.
        has_direction: whether a word such as "left" stands in it.
    """

    head: str | None
    has_direction: bool


def read_phrase_nouns(path: Path) -> dict[str, PhraseNouns]:
    """Return the head noun of every phrase that the nouns stage has seen.

    Raises:
        CacheError: the cache is missing, damaged or foreign.
    """
    cache = Cache(path, stage="nouns")
    nouns, offsets = cache.texts("noun"), cache.array("offsets")
    noun_index, roles = cache.array("noun_index"), cache.array("noun_role")
    found = {}
    rows = zip(cache.texts("phrase"), cache.array("has_direction"), strict=True)
    for index, (phrase, has_direction) in enumerate(rows):
        mentions = np.arange(offsets[index], offsets[index + 1])
        heads = mentions[roles[mentions] == 0]
        head = nouns[noun_index[heads[0]]] if len(heads) else None
        found[phrase] = PhraseNouns(head, bool(has_direction))
    return found


class SceneReader:
    """Looks up the scene of a phrase.

    Attributes:
        detector: what made the proposals.
        training_set: what the detector was trained on.
        nouns: of every phrase.
    """

    def __init__(self, files: DatasetFiles, images: Sequence[ImageRecord]) -> None:
        """Read the proposals and open the maps.

        Raises:
            CacheError: a cache is missing, damaged or foreign, or does not hold these images.
        """
        self.nouns = read_phrase_nouns(files.nouns)
        self._images = {image.image_id: image for image in images}
        self._proposals = Cache(files.proposals, stage="proposals")
        self.detector = str(self._proposals.attribute("detector"))
        self.training_set = str(self._proposals.attribute("training_set"))
        self._proposal_rows = _rows_of_images(self._proposals, self._images)
        self._arrays = {name: self._proposals.array(name) for name in _PROPOSAL_ARRAYS}
        self._cams = Cache(files.cams, stage="cams")
        self._cam_rows = _rows_of_images(self._cams, self._images)
        self._cam_nouns = self._cams.array("noun_index")
        self._cam_noun_index = {noun: index for index, noun in enumerate(self._cams.texts("noun"))}
        heads = sorted({found.head for found in self.nouns.values() if found.head is not None})
        self._noun_index = {noun: index for index, noun in enumerate(heads)}
        self._matches = np.asarray(match_matrix(heads, self._proposals.texts("label")), np.float32)

    def scene(self, phrase: PhraseRecord) -> Scene:
        """Return what may be looked at to localise a phrase.

        Raises:
            CacheError: the nouns stage has not seen the phrase.
        """
        if phrase.phrase not in self.nouns:
            raise CacheError(
                f"nouns.h5: has no phrase {phrase.phrase!r} ({phrase.phrase_id}); "
                "`dvc repro nouns` makes it anew"
            )
        head = self.nouns[phrase.phrase].head
        rows = self._proposal_rows[phrase.image_id]
        boxes_xyxy, scores, labels = (self._arrays[name][rows] for name in _PROPOSAL_ARRAYS)
        return Scene(
            image_hw=self._images[phrase.image_id].image_hw,
            boxes_xyxy=boxes_xyxy,
            scores=scores,
            matches=self._label_matches(head, labels),
            cam=self._cam(phrase.image_id, head),
        )

    def _label_matches(self, head: str | None, labels: NDArray[np.int16]) -> NDArray[np.float32]:
        if head is None:
            return np.zeros(len(labels), np.float32)
        return self._matches[self._noun_index[head], labels]  # (R,)

    def _cam(self, image_id: str, head: str | None) -> NDArray[np.float16] | None:
        """Return the signed map of a noun on an image (h, w), if it has one."""
        rows = self._cam_rows[image_id]
        wanted = self._cam_noun_index.get(head or "", -1)
        found = np.flatnonzero(self._cam_nouns[rows] == wanted)
        if not len(found):
            return None
        row = rows.start + int(found[0])
        return self._cams.rows("maps", row, row + 1)[0]


_PROPOSAL_ARRAYS = ("boxes_xyxy", "scores", "labels")


def _rows_of_images(cache: Cache, images: Mapping[str, ImageRecord]) -> dict[str, slice]:
    """Return the rows of each image in a cache of flat arrays.

    Raises:
        CacheError: an image is not in the cache.
    """
    offsets = cache.array("offsets").tolist()
    starts = enumerate(cache.texts("image_id"))
    rows = {image_id: slice(offsets[i], offsets[i + 1]) for i, image_id in starts}
    missing = sorted(set(images) - set(rows))
    if missing:
        raise CacheError(
            f"{cache.path}: holds nothing of image {missing[0]!r} and {len(missing) - 1} more; "
            f"`dvc repro {cache.path.stem}` makes it anew"
        )
    return rows
