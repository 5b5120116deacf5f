"""Samples for the grounder: an image with some of its phrases, all fields as NumPy arrays.

The fields are those that `models.layers.pictures.to_inputs` takes, without the batch dimension;
nothing in them comes from an annotated box.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from models.phrases.mirroring import mirror_phrase
from pipeline.errors import InputError
from pipeline.mentions import HEAD_ROLE
from pipeline.params.train import AugmentParams, TrainParams
from pipeline.samples.augment import SCALE_STEP_PX, Evidence, draw_colours, draw_placement
from pipeline.samples.colours import Mask, Pixels, colour_shares
from pipeline.samples.fields import (
    Fields,
    box_fields,
    image_fields,
    noun_fields,
    phrase_fields,
    place_fields,
    read_annotated,
    sentence_fields,
)
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sample_facts import Floats, SampleFacts, place_text
from pipeline.samples.sample_spec import CAM_STRIDE, SampleSpec, TextEncoding, Tokenize, sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.samples.vocabulary import build_vocabulary

NO_AUGMENTATION = AugmentParams(flip=0.0, jitter=0.0, crop=0.0, scales=1, translate=False)


class GroundingDataset(Dataset[Fields]):
    """Maps a `SampleIndex` to its fields; equal indices give equal samples in any process.

    Attributes:
        tables: what is known of images and phrases.
        spec: how large samples are.
        text: how phrases become numbers.
    """

    def __init__(
        self,
        tables: GroundingTables,
        spec: SampleSpec,
        text: TextEncoding,
        augment: AugmentParams = NO_AUGMENTATION,
    ) -> None:
        """Join what is known with how samples are made; samples with a seed are augmented."""
        self.tables = tables
        self.spec = spec
        self.text = text
        self._augment = augment

    def __getitem__(self, sample_index: SampleIndex) -> Fields:
        """Return the fields of a sample.

        Raises:
            InputError: the image cannot be read or is not the one that was annotated.
        """
        image = self.tables.images[sample_index.image_index]
        return self.sample(sample_index, read_annotated(self.tables.image_folder, image))

    def name_of(self, sample_index: SampleIndex) -> str:
        """Return the id of a sample's image."""
        return self.tables.images[sample_index.image_index].image_id

    def sample(self, sample_index: SampleIndex, pixels: NDArray[np.uint8]) -> Fields:
        """Return the fields of a sample whose image is at hand, RGB uint8 (H, W, 3).

        Raises:
            CacheError: a cache does not know the image or a phrase.
        """
        facts = self.tables.gather(
            sample_index.image_index, sample_index.phrase_indices, self.spec.max_nouns
        )
        augment = NO_AUGMENTATION if sample_index.seed is None else self._augment
        rng = np.random.default_rng(sample_index.seed or ())
        placement = draw_placement(
            facts.phrases, crop_evidence(facts), self.spec.image_px, augment, rng
        )
        image = image_fields(pixels, placement, draw_colours(augment.jitter, rng), self.spec)
        phrases, subjects, anchors = facts.phrases, facts.subjects, facts.anchor_texts
        if placement.flip:
            phrases, subjects, anchors = (
                [mirror_phrase(text) for text in texts] for texts in (phrases, subjects, anchors)
            )
        texts = subjects if self.spec.subject_words else phrases
        places = [place_text(*one) for one in zip(phrases, subjects, anchors, strict=True)]
        boxes = box_fields(facts, placement, self.spec)
        seen = (image["images"], image["pixel_mask"])
        return {
            **image,
            **phrase_fields(texts, places, self.text, self.spec.max_words),
            "phrase_is_plural": facts.is_plural,  # (P,)
            "phrase_is_plain": facts.is_plain,  # (P,)
            **boxes,
            "box_colours": self._colours(seen, facts.phrases, boxes),  # (P, R)
            **place_fields(facts, placement.flip, boxes["box_labels"]),
            "anchor_colours": self._colours(seen, facts.anchor_texts, boxes),  # (P, R)
            **sentence_fields(facts, boxes["box_labels"]),
            **noun_fields(facts, placement, self.spec, self.text.noun_classes),
        }

    def _colours(self, seen: tuple[Pixels, Mask], texts: list[str], boxes: Fields) -> Floats:
        """Return how much of each box has a colour that each text names, float32 (P, R)."""
        named = texts if self.spec.with_colours else [""] * len(texts)
        return colour_shares(*seen, named, boxes["boxes_xyxy"])


def build_training_dataset(
    tables: GroundingTables, params: TrainParams, tokenizer: Any, scored_nouns: Sequence[str]
) -> GroundingDataset:
    """Return the data set of a training, with the word vocabulary of its phrases.

    Args:
        tables: of the training split.
        params: sizes and augmentation.
        tokenizer: of transformers.
        scored_nouns: what the outputs of the frozen scorer are about, in order.

    Raises:
        InputError: the augmentation shrinks images to nothing.
    """
    shortest = params.image_px - SCALE_STEP_PX * (params.augment.scales - 1)
    if params.augment.scales < 1 or shortest < CAM_STRIDE:
        raise InputError(f"train.augment.scales: {params.augment.scales} leaves {shortest} px")
    text = TextEncoding(
        Tokenize(tokenizer, params.max_tokens),
        build_vocabulary(tables.texts, params.min_word_count),
        {noun: index for index, noun in enumerate(scored_nouns)},
    )
    return GroundingDataset(tables, sample_spec(params), text, params.augment)


def crop_evidence(facts: SampleFacts) -> Evidence:
    """Return what the facts say of where the phrases are; a map is zero without a head noun's."""
    slots = facts.slots
    has_head = slots.noun_mask[:, 0] & (slots.noun_roles[:, 0] == HEAD_ROLE)  # (P,)
    return Evidence(
        facts.image.image_hw,
        facts.proposals["boxes_xyxy"],
        facts.label_similarity[:, facts.proposals["labels"]],  # (P, R)
        facts.maps[slots.map_index[:, 0]] * has_head[:, None, None],  # (P, h, w)
    )
