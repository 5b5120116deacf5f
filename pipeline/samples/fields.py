"""The fields of one sample: pixels, phrases, proposals and nouns in the padded square.

Shapes: H W pixels of the original, S side of the padded square, P phrases, E phrases before one in
its sentence, T tokens, W words, R proposals, Q windows, K noun slots, M maps, (h, w) = S / 32 cells
of the grounder's coarsest grid.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.phrases.place_words import CUES, RELATIONS, SIDES, number_in
from pipeline.errors import InputError
from pipeline.geometry.boxes import Placement, whole_window
from pipeline.geometry.merged_boxes import with_merged
from pipeline.geometry.placement import (
    content_cells,
    pad_to_square,
    place_boxes,
    place_cams,
    place_image,
    scale_to_unit,
)
from pipeline.images.images import read_image
from pipeline.records import ImageRecord
from pipeline.samples.sample_facts import Floats, SampleFacts
from pipeline.samples.sample_spec import CAM_STRIDE, SampleSpec, TextEncoding

Fields = dict[str, NDArray[Any]]


def read_annotated(folder: Path, record: ImageRecord) -> NDArray[np.uint8]:
    """Return the pixels of an image, RGB, uint8 (H, W, 3).

    Raises:
        InputError: the image cannot be read or has not the size that it was annotated with.
    """
    pixels = read_image(folder / record.file)
    if pixels.shape[:2] != record.image_hw:
        raise InputError(
            f"{record.file}: is {pixels.shape[:2]} pixels high and wide, "
            f"{record.image_hw} when it was annotated; `dvc repro annotations` reads it anew"
        )
    return pixels


def image_fields(
    pixels: NDArray[np.uint8],
    placement: Placement,
    colours: tuple[Floats, NDArray[np.int64]],
    spec: SampleSpec,
) -> Fields:
    """Return the image in its square, uint8, how its colours shall change, and where it is.

    Args:
        pixels: RGB, uint8 (H, W, 3).
        placement: where they go.
        colours: factors and order, as `models.layers.pictures.change_colours` takes them.
        spec: sizes.
    """
    content = place_image(pixels, placement)
    side, corner = spec.image_px, placement.offset_xy
    real = np.ones(content.shape[1:], np.bool_)
    return {
        "images": pad_to_square(content, side, corner),  # (3, S, S)
        "colour_factors": colours[0],  # (3,)
        "colour_order": colours[1],  # (3,)
        "pixel_mask": pad_to_square(real, side, corner),  # (S, S)
    }


def phrase_fields(
    phrases: Sequence[str], places: Sequence[str], text: TextEncoding, max_words: int
) -> Fields:
    """Return the tokens and the words of P phrases, and their words of place."""
    token_ids, token_mask = text.tokenize(phrases)  # (P, T) twice
    word_ids, word_mask = text.vocabulary.encode(phrases, max_words)  # (P, W) twice
    return {
        "phrase_mask": np.ones(len(phrases), np.bool_),  # (P,)
        "token_ids": token_ids,
        "token_mask": token_mask,
        "word_ids": word_ids,
        "word_mask": word_mask,
        "place_word_ids": text.vocabulary.encode(places, max_words)[0],  # (P, L)
    }


def box_fields(facts: SampleFacts, placement: Placement, spec: SampleSpec) -> Fields:
    """Return the proposals that are seen, merged ones after them, and at last the windows."""
    proposals = with_merged(facts.proposals, spec.merge_floors)
    boxes_xyxy, kept = place_boxes(proposals["boxes_xyxy"], placement)
    windows = place_windows(spec.windows, placement)  # (Q, 4)
    no_window = np.zeros(len(windows))
    no_label = np.full(len(windows), -1)  # the last column of the similarity is the image's
    labels = np.append(proposals["labels"][kept].astype(np.int64), no_label)  # (R,) with windows
    return {
        "boxes_xyxy": np.concatenate([boxes_xyxy, windows]),  # (R, 4)
        "box_mask": np.ones(len(labels), np.bool_),  # (R,)
        "box_scores": np.append(proposals["scores"][kept], no_window.astype(np.float32)),  # (R,)
        "box_labels": labels + 1,  # (R,)
        "box_is_merged": np.append(proposals["is_merged"][kept], no_window.astype(np.bool_)),
        "box_priors": facts.label_similarity[:, labels],  # (P, R)
    }


def place_fields(facts: SampleFacts, flip: bool, box_labels: NDArray[np.int64]) -> Fields:
    """Return where the phrases say that their things are, in what is seen.

    Args:
        facts: of image and phrases.
        flip: what is seen is mirrored.
        box_labels: of every box, counted from 1; 0 for a window, int64 (R,).
    """
    places = [place.mirrored() if flip else place for place in facts.places]
    return {
        "place_cues": np.array([[cue in place.cues for cue in CUES] for place in places]),  # (P, 9)
        "place_ranks": np.array([place.rank for place in places], np.int64),  # (P,)
        "place_sides": np.array([max(0, number_in(SIDES, one.rank_side)) for one in places]),
        "relations": np.array([number_in(RELATIONS, place.relation) for place in places]),  # (P,)
        "anchor_priors": facts.anchor_similarity[:, box_labels - 1],  # (P, R)
    }


def sentence_fields(facts: SampleFacts, box_labels: NDArray[np.int64]) -> Fields:
    """Return what the sentences of the phrases say of others before them.

    Args:
        facts: of image and phrases.
        box_labels: of every box, counted from 1; 0 for a window, int64 (R,).
    """
    earlier = facts.earlier
    return {
        "earlier_priors": earlier.similarity[..., box_labels - 1],  # (P, E, R)
        "earlier_is_plural": earlier.is_plural,  # (P, E)
        "wearers": earlier.wearers,  # (P,)
        "phrase_is_body": earlier.is_body,  # (P,)
    }


def place_windows(windows: Sequence[Sequence[float]], placement: Placement) -> Floats:
    """Return the parts of what is seen that count as proposals, float32 (Q, 4).

    Args:
        windows: left, top, right and bottom as shares of what is seen, (Q, 4).
        placement: where that lies in the square.
    """
    height, width = placement.content_hw
    shares = np.array(windows, np.float32).reshape(-1, 4)
    corner = np.array(placement.offset_xy * 2, np.float32)
    return corner + shares * np.array([width, height, width, height], np.float32)


def noun_fields(
    facts: SampleFacts, placement: Placement, spec: SampleSpec, noun_classes: Mapping[str, int]
) -> Fields:
    """Return maps, roles, classes and confidences of the noun slots.

    A confidence is -1 where the placement shows a part of the image: it is known of all of it.
    """
    slots, image_hw = facts.slots, facts.image.image_hw
    placed = place_cams(facts.maps, image_hw, placement, CAM_STRIDE)
    columns, rows = content_cells(placement, CAM_STRIDE)
    side, corner = spec.image_px // CAM_STRIDE, (columns.start, rows.start)
    maps = pad_to_square(scale_to_unit(placed), side, corner)  # (M, h, w)
    is_whole = placement.window_xyxy == whole_window(image_hw)
    confidences = facts.confidences if is_whole else np.full_like(facts.confidences, -1)  # (M,)
    classes = np.full(slots.noun_mask.shape, -1, np.int64)  # (P, K)
    for row, nouns in zip(classes, slots.nouns, strict=True):
        row[: len(nouns)] = [noun_classes.get(noun, -1) for noun in nouns]
    return {
        "cams": maps[slots.map_index] * slots.noun_mask[..., None, None],  # (P, K, h, w)
        "noun_mask": slots.noun_mask,
        "noun_roles": slots.noun_roles,
        "noun_classes": classes,
        "noun_confidences": confidences[slots.map_index] * slots.noun_mask,  # (P, K)
    }
