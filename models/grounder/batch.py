"""Inputs and outputs of a grounder.

Shapes: B images, P phrases of an image, R proposals, T word pieces, W words, K nouns, V words of
the vocabulary, S input pixels per side, (h, w) cells of the CAMs, D, U channels, L words of place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from models.layers.pictures import to_inputs


@dataclass(frozen=True)
class GroundingInputs:
    """A batch; masks are True = real, boxes are pixels of the padded input.

    Attributes:
        images: RGB in [0, 1], augmented, float32 (B, 3, S, S).
        clean_images: the same without colour jitter, float32 (B, 3, S, S).
        pixel_mask: True = image, False = padding, bool (B, S, S).
        phrase_mask: real phrases, bool (B, P).
        phrase_is_plural: the phrase means several things, bool (B, P).
        phrase_is_plain: it says no more of its thing than a noun, bool (B, P).
        token_ids: word pieces, i64 (B, P, T).
        token_mask: real word pieces, bool (B, P, T).
        word_ids: words of the decoder's vocabulary, each phrase closed by <eos>, i64 (B, P, W).
        word_mask: real words, bool (B, P, W).
        place_word_ids: words that say where the thing is, not those of the thing or of its anchor,
            of the same vocabulary, each phrase closed by <eos>, i64 (B, P, L).
        boxes_xyxy: proposals, float32 (B, R, 4).
        box_mask: real proposals, bool (B, R).
        box_scores: detector confidence in [0, 1], float32 (B, R).
        box_labels: the detector's label, counted from 1; 0 for a window of the image, i64 (B, R).
        box_is_merged: the box is the union of several boxes of the detector, bool (B, R).
        box_priors: similarity of the head noun and the box's label in [0, 1], float32 (B, P, R).
        box_colours: share of the box that has a colour the phrase names, 0 where it names none, in
            [0, 1], float32 (B, P, R).
        place_cues: sides and sizes the phrase names, in the order of
            `models.phrases.place_words.CUES`, bool (B, P, 9).
        place_ranks: 2 for "second", 0 without an order, i64 (B, P).
        place_sides: the side an order counts from, an index in `place_words.SIDES`, i64 (B, P).
        relations: of the thing to its anchor, an index in `place_words.RELATIONS`, -1 for none, i64
            (B, P).
        anchor_priors: similarity of the anchor's noun and the box's label in [0, 1], 0 where no
            label fits it, float32 (B, P, R).
        anchor_colours: as `box_colours`, of the anchor, float32 (B, P, R).
        earlier_priors: similarity of the box's label and the head nouns of E phrases that stand
            before the phrase in its sentence, in order; 0 where no label fits or there is none, in
            [0, 1], float32 (B, P, E, R).
        earlier_is_plural: these mean several things, bool (B, P, E).
        wearers: which of these wears what the phrase means, or has it as a part of the body, -1 for
            none, i64 (B, P).
        phrase_is_body: the phrase means a part of the body, bool (B, P).
        cams: raw maps scaled to [0, 1], float32 (B, P, K, h, w).
        noun_mask: real nouns, bool (B, P, K).
        noun_roles: 0 head, 1 context, i64 (B, P, K).
        noun_classes: index of the noun in the noun scorer, -1 for none, i64 (B, P, K).
        noun_confidences: probability of the noun in the intact image; -1 after a crop, where it
            must be computed anew, float32 (B, P, K).
    """

    images: Tensor
    clean_images: Tensor
    pixel_mask: Tensor
    phrase_mask: Tensor
    phrase_is_plural: Tensor
    phrase_is_plain: Tensor
    token_ids: Tensor
    token_mask: Tensor
    word_ids: Tensor
    word_mask: Tensor
    place_word_ids: Tensor
    boxes_xyxy: Tensor
    box_mask: Tensor
    box_scores: Tensor
    box_labels: Tensor
    box_is_merged: Tensor
    box_priors: Tensor
    box_colours: Tensor
    place_cues: Tensor
    place_ranks: Tensor
    place_sides: Tensor
    relations: Tensor
    anchor_priors: Tensor
    anchor_colours: Tensor
    earlier_priors: Tensor
    earlier_is_plural: Tensor
    wearers: Tensor
    phrase_is_body: Tensor
    cams: Tensor
    noun_mask: Tensor
    noun_roles: Tensor
    noun_classes: Tensor
    noun_confidences: Tensor

    @cached_property
    def has_fit(self) -> Tensor:
        """Whether labels tell which boxes a phrase may mean, bool (B, P, 1).

        They do not where the head noun fits no label of the image's boxes, or fits all alike.
        """
        real = self.box_mask[:, None]  # (B, 1, R)
        fits = self.box_priors * real  # (B, P, R)
        all_alike = ((fits == 1) | ~real).all(-1, keepdim=True)
        return (fits > 0).any(-1, keepdim=True) & ~all_alike

    @classmethod
    def from_batch(cls, batch: Mapping[str, Tensor], device: torch.device) -> Self:
        """Return a loader's batch on a device, see `to_inputs`."""
        return cls(**to_inputs(batch, device))


@dataclass(frozen=True)
class GroundingOutputs:
    """Outputs for a batch; those of padded phrases are finite and meaningless.

    Attributes:
        box_logits: the sum of the next five, float32 (B, P, R); the lowest float on padding.
        learned_logits: what the trained scorer says of each pair, float32 (B, P, R).
        prior_logits: what is believed without training, float32 (B, P, R).
        cam_logits: weighted log of the map's density in the box, float (B, P, R).
        reading_logits: weighted, what learned words of place say of each box, float32 (B, P, R).
        unfit_logits: weighted, what is learned of a box's place and shape where no label fits,
            float32 (B, P, R).
        box_probs: their softmax over real proposals, float32 (B, P, R); all 0 without proposals.
        pred_boxes_xyxy: box of the [REG] head, in pixels of the padded input, float32 (B, P, 4);
            with `per_proposal` the refined box.
        refined_boxes_xyxy: the most probable proposal after its offset, float32 (B, P, 4).
        box_deltas: coded offsets of every pair of phrase and proposal, float32 (B, P, R, 4).
        attention_maps: float (B, P, K, h, w) in [0, 1]; K = 0 without a CAM encoder.
        mined_mask: nouns whose map enters scores and mining, bool (B, P, K).
        cell_mask: True = image, False = padding, bool (B, h, w).
        phrase_embeddings: unit vectors, float (B, P, D).
        box_embeddings: unit vectors, float (B, R, D).
        attended: z, the attended proposal, float (B, P, U).
        reconstruction_logits: of every word of the phrase, float (B, P, W, V).
        place_log_probs: of the phrase's words of place if it meant the box, float32 (B, P, R); 0
            without such words.
        usual_log_probs: of these words if nothing is known of the box, float32 (B, P).
        blind_logits: what is learned of a box's place and shape for every pair, not weighted,
            float32 (B, P, R).
    """

    box_logits: Tensor
    learned_logits: Tensor
    prior_logits: Tensor
    cam_logits: Tensor
    reading_logits: Tensor
    unfit_logits: Tensor
    box_probs: Tensor
    pred_boxes_xyxy: Tensor
    refined_boxes_xyxy: Tensor
    box_deltas: Tensor
    attention_maps: Tensor
    mined_mask: Tensor
    cell_mask: Tensor
    phrase_embeddings: Tensor
    box_embeddings: Tensor
    attended: Tensor
    reconstruction_logits: Tensor
    place_log_probs: Tensor
    usual_log_probs: Tensor
    blind_logits: Tensor
