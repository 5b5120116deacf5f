"""What is known of one image and some of its phrases before a sample is made of them.

Shapes: P phrases, K noun slots of a phrase, E phrases before one in its sentence, R proposals,
M maps of (h, w) cells, L labels of the detector.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.phrases.place_words import FILLERS
from models.phrases.places import Place
from pipeline.mentions import Mention
from pipeline.records import ImageRecord
from pipeline.samples.vocabulary import split_words

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float32]


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


@dataclass(frozen=True)
class EarlierPhrases:
    """What stands before P phrases in their sentences; worn things and parts of the body left out.

    Attributes:
        similarity: of the head noun of each earlier phrase, in order, and every label; 0 where
            there is none, f32 (P, E, L + 1); see `LabelSimilarity.of_others`.
        is_plural: they mean several things, bool (P, E).
        wearers: the last earlier phrase that means somebody, for phrases that mean what is worn or
            a part of the body; -1 for none, i64 (P,).
        is_body: the phrases mean a part of the body, bool (P,).
    """

    similarity: Floats
    is_plural: NDArray[np.bool_]
    wearers: NDArray[np.int64]
    is_body: NDArray[np.bool_]


@dataclass(frozen=True)
class SampleFacts:
    """What the stages before `train` found out about an image and some of its phrases.

    Attributes:
        image: the image.
        phrases: P texts.
        subjects: the words of each that describe the thing itself.
        is_plural: which of them mean several things, bool (P,).
        is_plain: which of them say no more of their thing than its noun, bool (P,).
        places: where each says that its thing is.
        proposals: `boxes_xyxy` f32 (R, 4), original px, `scores` f32 (R,), `labels` i16 (R,).
        label_similarity: of each phrase's head noun and each label of the detector, f32
            (P, L + 1); see `LabelSimilarity`.
        anchor_similarity: the same of each phrase's anchor; 0 where there is none or no label fits
            it, f32 (P, L + 1).
        earlier: what stands before the phrases in their sentences.
        slots: the phrases' nouns that have a map.
        maps: signed, f32 (M, h, w); one of zeros if the image has none.
        confidences: the scorer's of each map's noun in [0, 1], f32 (M,), at least one.
    """

    image: ImageRecord
    phrases: list[str]
    subjects: list[str]
    is_plural: NDArray[np.bool_]
    is_plain: NDArray[np.bool_]
    places: list[Place]
    proposals: Arrays
    label_similarity: Floats
    anchor_similarity: Floats
    earlier: EarlierPhrases
    slots: NounSlots
    maps: Floats
    confidences: Floats

    @property
    def anchor_texts(self) -> list[str]:
        """The words of the thing that each phrase's relation leads to, "" without one."""
        return [anchor_text(*one) for one in zip(self.phrases, self.places, strict=True)]


def anchor_text(phrase: str, place: Place) -> str:
    """Return the words of the thing that a phrase's relation leads to, "" without one."""
    return phrase[slice(*place.anchor.span)] if place.anchor else ""


def place_text(phrase: str, subject: str, anchor: str) -> str:
    """Return the words of a phrase that say where its thing is: "left" of "the cup on the left".

    Left out are the words of the thing itself and of its anchor, ordinals, and words that say no
    place on their own ("the", "side", "of").
    """
    named = Counter(split_words(f"{subject} {anchor}"))
    words = []
    for word in split_words(phrase):
        if named[word]:
            named[word] -= 1
        elif word not in FILLERS:
            words.append(word)
    return " ".join(words)


def fill_slots(
    mentions: Sequence[Sequence[Mention]], map_nouns: Sequence[str], max_nouns: int
) -> NounSlots:
    """Return the first nouns of each phrase that have a map.

    Args:
        mentions: the nouns of P phrases, head first.
        map_nouns: the noun of each of an image's M maps.
        max_nouns: number of slots K.
    """
    row_of = {noun: row for row, noun in enumerate(map_nouns)}
    mapped = [[item for item in items if item.noun in row_of][:max_nouns] for items in mentions]
    slots = NounSlots(
        nouns=[[item.noun for item in items] for items in mapped],
        map_index=np.zeros((len(mapped), max_nouns), np.int64),  # (P, K)
        noun_mask=np.zeros((len(mapped), max_nouns), np.bool_),  # (P, K)
        noun_roles=np.zeros((len(mapped), max_nouns), np.int64),  # (P, K)
    )
    for phrase, items in enumerate(mapped):
        slots.map_index[phrase, : len(items)] = [row_of[item.noun] for item in items]
        slots.noun_mask[phrase, : len(items)] = True
        slots.noun_roles[phrase, : len(items)] = [item.role for item in items]
    return slots
