"""One image and one phrase, in the shape in which the caches give them to a data set.

Shapes: R proposals, M maps of (h, w) cells.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typing_extensions import override

from pipeline.images import read_image
from pipeline.mentions import Mention
from pipeline.records import ImageRecord, PhraseRecord
from pipeline.samples.grounding_tables import Arrays, GroundingTables, LabelSimilarity

NO_PROPOSALS: Arrays = {
    "boxes_xyxy": np.zeros((0, 4), np.float32),
    "scores": np.zeros(0, np.float32),
    "labels": np.zeros(0, np.int16),
}
NO_CAMS: Arrays = {
    "noun_index": np.zeros(0, np.int32),
    "maps": np.zeros((0, 1, 1), np.float16),
    "confidences": np.zeros(0, np.float32),
}


@dataclass(frozen=True)
class PhraseFacts:
    """What a noun parser says of a phrase: its nouns, head first, and whether it means several."""

    mentions: tuple[Mention, ...]
    is_plural: bool


@dataclass(frozen=True)
class ImageFacts:
    """What a detector and Grad-CAM say of an image.

    Attributes:
        proposals: `boxes_xyxy` float32 (R, 4), `scores` float32 (R,), `labels` int16 (R,).
        labels: what the detector's labels are called.
        cams: `noun_index` int32 (M,), `maps` float16 (M, h, w), `confidences` float32 (M,).
        cam_nouns: what `noun_index` counts in.
    """

    proposals: Arrays
    labels: tuple[str, ...]
    cams: Arrays
    cam_nouns: tuple[str, ...]


class OneImage(GroundingTables):
    """A world of one image and one phrase."""

    def __init__(
        self, image: Path, phrase: str, phrase_facts: PhraseFacts, image_facts: ImageFacts
    ) -> None:
        """Join them.

        Raises:
            BadImageError: the image cannot be read.
        """
        height, width = read_image(image).shape[:2]
        self.image_folder = image.parent
        self.images = [ImageRecord(image.name, image.name, (height, width), "asked")]
        self.phrases = [PhraseRecord("asked", image.name, "asked", phrase)]
        self._mentions = {phrase: list(phrase_facts.mentions)}
        self._plurals = {phrase: phrase_facts.is_plural}
        self.labels = list(image_facts.labels)
        self._fits = LabelSimilarity(self._heads(), self.labels)
        self._facts = image_facts
        self.cam_nouns = list(image_facts.cam_nouns)

    @override
    def proposals(self, image_index: int) -> Arrays:
        return self._facts.proposals

    @override
    def cams(self, image_index: int) -> Arrays:
        return self._facts.cams
