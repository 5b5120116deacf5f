"""Samples for the grounder: an image with some of its phrases, all fields as NumPy arrays.

Shapes: S side of the padded square, P phrases, T tokens, W words, R proposals, K noun slots,
(h, w) = S / 32 cells of the grounder's coarsest grid. The fields are those of the grounder's
inputs without the batch dimension; nothing in them comes from an annotated box.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from models.phrases.mirroring import mirror_phrase
from pipeline.errors import InputError
from pipeline.geometry.boxes import Placement, letterbox, whole_window
from pipeline.geometry.merged_boxes import with_merged
from pipeline.geometry.placement import (
    content_cells,
    pad_to_square,
    place_boxes,
    place_cams,
    place_image,
    scale_to_unit,
)
from pipeline.images import read_image
from pipeline.mentions import HEAD_ROLE
from pipeline.params.train import AugmentParams, TrainParams
from pipeline.samples.augment import SCALE_STEP_PX, Evidence, draw_jitter, draw_placement
from pipeline.samples.colours import colour_shares
from pipeline.samples.grounding_tables import Floats, GroundingTables, NounSlots
from pipeline.samples.sample_spec import CAM_STRIDE, SampleSpec, TextEncoding, Tokenize, sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.samples.vocabulary import build_vocabulary

Fields = dict[str, NDArray[Any]]
NO_AUGMENTATION = AugmentParams(flip=0.0, jitter=0.0, crop=0.0, scales=1, translate=False)


class GroundingDataset(Dataset[Fields]):
    """Maps a draw to the fields of one sample; equal draws give equal samples in any process."""

    def __init__(
        self,
        caches: GroundingTables,
        spec: SampleSpec,
        text: TextEncoding,
        augment: AugmentParams = NO_AUGMENTATION,
    ) -> None:
        """Join what is known of the images with how samples are made.

        Args:
            caches: what is known.
            spec: sizes.
            text: how phrases become numbers.
            augment: what is done to draws that have a seed.
        """
        self.caches = caches
        self.spec = spec
        self.text = text
        self._augment = augment

    def __getitem__(self, sample_index: SampleIndex) -> Fields:
        """Return the fields of a sample.

        Raises:
            InputError: the image cannot be read or is not the one that was annotated.
        """
        phrases = [self.caches.phrases[index].phrase for index in sample_index.phrase_indices]
        slots = self.caches.noun_slots(
            sample_index.image_index, sample_index.phrase_indices, self.spec.max_nouns
        )
        rng = np.random.default_rng(sample_index.seed or ())
        placement = self._placement(sample_index, phrases, slots, rng)
        if placement.flip:
            phrases = [mirror_phrase(phrase) for phrase in phrases]
        image, boxes = (
            self._image_fields(sample_index, placement, rng),
            self._box_fields(sample_index, placement),
        )
        seen = (image["clean_images"], image["pixel_mask"])
        searched = phrases if self.spec.with_colours else [""] * len(phrases)
        return {
            **image,
            **self._phrase_fields(phrases, sample_index.phrase_indices),
            **boxes,
            "box_colours": colour_shares(*seen, searched, boxes["boxes_xyxy"]),  # (P, R)
            **self._noun_fields(sample_index, placement, slots),
        }

    def _placement(
        self,
        sample_index: SampleIndex,
        phrases: Sequence[str],
        slots: NounSlots,
        rng: np.random.Generator,
    ) -> Placement:
        image_hw = self.caches.images[sample_index.image_index].image_hw
        if sample_index.seed is None:
            return letterbox(whole_window(image_hw), self.spec.image_px)
        proposals = self.caches.proposals(sample_index.image_index)
        fits = self.caches.fits(sample_index.phrase_indices, proposals["labels"])  # (P, R + 1)
        has_head = slots.noun_mask[:, 0] & (slots.noun_roles[:, 0] == HEAD_ROLE)  # (P,)
        head_cams = self._maps(sample_index.image_index)[slots.map_index[:, 0]]  # (P, h, w)
        evidence = Evidence(
            image_hw,
            proposals["boxes_xyxy"],
            fits[:, :-1],
            head_cams * has_head[:, None, None],
        )
        return draw_placement(phrases, evidence, self.spec.image_px, self._augment, rng)

    def _maps(self, image_index: int) -> Floats:
        """Return the signed maps of an image, float32 (M, h, w); one of zeros if it has none."""
        maps = self.caches.cams(image_index)["maps"].astype(np.float32)
        return maps if len(maps) else np.zeros((1, 1, 1), np.float32)

    def _image_fields(
        self, sample_index: SampleIndex, placement: Placement, rng: np.random.Generator
    ) -> Fields:
        record = self.caches.images[sample_index.image_index]
        image = read_image(self.caches.image_folder / record.file)
        if image.shape[:2] != record.image_hw:
            raise InputError(
                f"{record.file}: is {image.shape[:2]} pixels high and wide, "
                f"{record.image_hw} when it was annotated; `dvc repro annotations` reads it anew"
            )
        clean = place_image(image, placement)
        strength = self._augment.jitter if sample_index.seed is not None else 0.0
        jittered = draw_jitter(strength, rng)(clean)
        side, corner = self.spec.image_px, placement.offset_xy
        real = np.ones(clean.shape[1:], np.bool_)
        return {
            "images": pad_to_square(jittered, side, corner),  # (3, S, S)
            "clean_images": pad_to_square(clean, side, corner),  # (3, S, S)
            "pixel_mask": pad_to_square(real, side, corner),  # (S, S)
        }

    def _phrase_fields(self, phrases: Sequence[str], indices: Sequence[int]) -> Fields:
        token_ids, token_mask = self.text.tokenize(phrases)  # (P, T) twice
        word_ids, word_mask = self.text.vocabulary.encode(phrases, self.spec.max_words)
        return {
            "phrase_mask": np.ones(len(phrases), np.bool_),  # (P,)
            "phrase_is_plural": self.caches.are_plural(indices),  # (P,)
            "token_ids": token_ids,
            "token_mask": token_mask,
            "word_ids": word_ids,  # (P, W)
            "word_mask": word_mask,  # (P, W)
        }

    def _box_fields(self, sample_index: SampleIndex, placement: Placement) -> Fields:
        proposals = with_merged(
            self.caches.proposals(sample_index.image_index), self.spec.merge_floors
        )
        fits = self.caches.fits(sample_index.phrase_indices, proposals["labels"])  # (P, R + 1)
        boxes_xyxy, kept = place_boxes(proposals["boxes_xyxy"], placement)
        windows = self._windows(placement)  # (Q, 4)
        nothing = np.zeros(len(windows))
        labels = np.append(proposals["labels"][kept].astype(np.int64) + 1, nothing.astype(np.int64))
        columns = np.append(kept, np.full(len(windows), fits.shape[1] - 1))  # (R,) with windows
        return {
            "boxes_xyxy": np.concatenate([boxes_xyxy, windows]),  # (R, 4)
            "box_mask": np.ones(len(columns), np.bool_),  # (R,)
            "box_scores": np.append(proposals["scores"][kept], nothing.astype(np.float32)),  # (R,)
            "box_labels": labels,  # (R,)
            "box_is_merged": np.append(proposals["is_merged"][kept], nothing.astype(np.bool_)),
            "box_priors": fits[:, columns],  # (P, R)
        }

    def _windows(self, placement: Placement) -> Floats:
        """Return the parts of what is seen that count as proposals, float32 (Q, 4)."""
        height, width = placement.content_hw
        shares = np.array(self.spec.windows, np.float32).reshape(-1, 4)
        corner = np.array(placement.offset_xy * 2, np.float32)
        return corner + shares * np.array([width, height, width, height], np.float32)

    def _noun_fields(
        self, sample_index: SampleIndex, placement: Placement, slots: NounSlots
    ) -> Fields:
        image_hw = self.caches.images[sample_index.image_index].image_hw
        placed = place_cams(self._maps(sample_index.image_index), image_hw, placement, CAM_STRIDE)
        columns, rows = content_cells(placement, CAM_STRIDE)
        side, corner = self.spec.image_px // CAM_STRIDE, (columns.start, rows.start)
        maps = pad_to_square(scale_to_unit(placed), side, corner)
        confidences = np.append(
            self.caches.cams(sample_index.image_index)["confidences"], 0
        )  # (M + 1,)
        if placement.window_xyxy != whole_window(image_hw):
            confidences[:] = -1  # known of the whole image alone
        classes = np.full(slots.noun_mask.shape, -1, np.int64)  # (P, K)
        for row, nouns in zip(classes, slots.nouns, strict=True):
            row[: len(nouns)] = [self.text.noun_classes.get(noun, -1) for noun in nouns]
        mask = slots.noun_mask  # (P, K)
        return {
            "cams": maps[slots.map_index] * mask[..., None, None],  # (P, K, h, w)
            "noun_mask": mask,
            "noun_roles": slots.noun_roles,
            "noun_classes": classes,
            "noun_confidences": confidences[slots.map_index].astype(np.float32) * mask,  # (P, K)
        }


def build_training_dataset(
    caches: GroundingTables, params: TrainParams, tokenizer: Any, scored_nouns: Sequence[str]
) -> GroundingDataset:
    """Return the data set of a training, with the word vocabulary of its phrases.

    Args:
        caches: of the training split.
        params: sizes and augmentation.
        tokenizer: of transformers.
        scored_nouns: what the outputs of the frozen scorer are about, in order.
    """
    shortest = params.image_px - SCALE_STEP_PX * (params.augment.scales - 1)
    if params.augment.scales < 1 or shortest < CAM_STRIDE:
        raise InputError(f"train.augment.scales: {params.augment.scales} leaves {shortest} px")
    text = TextEncoding(
        Tokenize(tokenizer, params.max_tokens),
        build_vocabulary(caches.texts, params.min_word_count),
        {noun: index for index, noun in enumerate(scored_nouns)},
    )
    return GroundingDataset(caches, sample_spec(params), text, params.augment)
