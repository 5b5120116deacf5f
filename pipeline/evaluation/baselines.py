"""What can be answered without training, and what no choice among the proposals can exceed.

Shapes: R proposals, (h, w) cells of a map, C columns of `metrics.COLUMNS`.
A trained model that does not beat `prior` has learned nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.place_evidence import PlaceEvidence
from pipeline.geometry.boxes import box_areas, clip_boxes
from pipeline.geometry.cam_boxes import resize_cam, sums_inside, threshold_box

Floats = NDArray[np.float64]

SURE_SCORE = 0.3  # of a detector, for a box to be one of several


@dataclass(frozen=True)
class BaselineInputs:
    """All that a method without training may look at.

    Attributes:
        image_hw: height and width in pixels.
        boxes_xyxy: proposals in pixels of the image, highest score first, float32 (R, 4).
        scores: detector confidences in [0, 1], float32 (R,).
        matches: how well the phrase's head noun fits each proposal's label, in [0, 1], (R,).
        is_plural: whether the phrase speaks of several things.
        place: how well each proposal fits what the phrase says of its place.
        cam: signed map of the head noun over the whole image (h, w); None where there is none.
    """

    image_hw: tuple[int, int]
    boxes_xyxy: NDArray[np.floating]
    scores: NDArray[np.floating]
    matches: NDArray[np.floating]
    is_plural: bool
    place: PlaceEvidence
    cam: NDArray[np.floating] | None


def whole_image(inputs: BaselineInputs) -> Floats:
    """Return the image itself, float64 (4,)."""
    return centre_box(inputs, 1.0)


def centre_box(inputs: BaselineInputs, share: float) -> Floats:
    """Return the box in the middle whose sides are `share` of the image's, float64 (4,)."""
    height, width = inputs.image_hw
    left, top = width * (1 - share) / 2, height * (1 - share) / 2
    return np.array([left, top, width - left, height - top], np.float64)


def largest_proposal(inputs: BaselineInputs) -> Floats:
    """Return the proposal of the largest area; the whole image if there is none."""
    return _best(inputs, _areas_inside(inputs), np.ones(len(inputs.boxes_xyxy), bool))


def highest_score(inputs: BaselineInputs) -> Floats:
    """Return the proposal that the detector is surest of; the whole image if there is none."""
    return _best(inputs, inputs.scores, np.ones(len(inputs.boxes_xyxy), bool))


def label_match(inputs: BaselineInputs) -> Floats:
    """Return the surest proposal whose label fits the noun best; else the whole image."""
    return _best(inputs, inputs.scores, fits_best(inputs))


def largest_label_match(inputs: BaselineInputs) -> Floats:
    """Return the largest proposal whose label fits the noun best; else the whole image."""
    return _best(inputs, _areas_inside(inputs), fits_best(inputs))


def number_match(inputs: BaselineInputs) -> Floats:
    """Return the fitting proposal of the largest score x sqrt(area); else the whole image.

    Where the phrase speaks of several things and several proposals fit with a score of
    `SURE_SCORE`, the box around them.
    """
    fitting = fits_best(inputs)
    sure = fitting & (inputs.scores >= SURE_SCORE)
    if inputs.is_plural and sure.sum() > 1:
        corners = np.asarray(inputs.boxes_xyxy, np.float64)[sure]
        return np.concatenate([corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)])
    return _best(inputs, inputs.scores * np.sqrt(_areas_inside(inputs)), fitting)


def number_match_or_cam(inputs: BaselineInputs) -> Floats:
    """Return `number_match` where a label fits, else `cam_proposal`."""
    return number_match(inputs) if fits_best(inputs).any() else cam_proposal(inputs)


def position_match(inputs: BaselineInputs) -> Floats:
    """Return the fitting proposal of the largest log(score x sqrt(area)) + nats of its position.

    Position is side, size and order. Where no label fits, all proposals count as fitting.
    """
    return _best_placed(inputs, inputs.place.position)


def relation_match(inputs: BaselineInputs) -> Floats:
    """Return what `position_match` does, with the nats of the relation to an anchor added."""
    return _best_placed(inputs, inputs.place.position + inputs.place.relation)


def prior(inputs: BaselineInputs) -> Floats:
    """Return the proposal of the largest label fit x score; fit 1 where no label fits."""
    fits = inputs.matches if (inputs.matches > 0).any() else np.ones(len(inputs.boxes_xyxy))
    return _best(inputs, fits * inputs.scores, np.ones(len(inputs.boxes_xyxy), bool))


def cam_box(inputs: BaselineInputs, threshold: float) -> Floats:
    """Return the extent of the map's largest part above `threshold` of its range; else the image.

    The box by which Zhou et al. 2016 (https://arxiv.org/abs/1512.04150) locate a class: of the
    signed map, for ReLU would raise the threshold.
    """
    if inputs.cam is None:
        return whole_image(inputs)
    box = threshold_box(resize_cam(inputs.cam, inputs.image_hw), threshold)
    return whole_image(inputs) if box is None else box


def cam_proposal(inputs: BaselineInputs) -> Floats:
    """Return the box, the image among them, of the largest sum of positive map / sqrt(area).

    ALBEF (https://arxiv.org/abs/2107.07651) ranks boxes so. Without a map: the whole image.
    """
    candidates = with_whole_image(inputs)
    if inputs.cam is None:
        return candidates[-1]
    positive = np.maximum(inputs.cam, 0)  # (h, w)
    sums = sums_inside(resize_cam(positive, inputs.image_hw), candidates)
    areas = box_areas(candidates)
    ranks = np.where(areas > 0, sums / np.sqrt(np.where(areas > 0, areas, 1.0)), -1.0)
    return candidates[-1] if ranks.max() <= 0 else candidates[ranks.argmax()]


def fits_best(inputs: BaselineInputs) -> NDArray[np.bool_]:
    """Return which proposals have the best fitting label, if any fits at all, bool (R,)."""
    best = inputs.matches.max(initial=0.0)
    return (inputs.matches > 0) & (inputs.matches == best)


def with_whole_image(inputs: BaselineInputs) -> Floats:
    """Return the clipped proposals and, last, the image itself, float64 (R + 1, 4)."""
    return np.concatenate(
        [
            clip_boxes(inputs.boxes_xyxy, inputs.image_hw).astype(np.float64),
            whole_image(inputs)[None],
        ]
    )  # (R + 1, 4)


def methods(cam_threshold: float) -> dict[str, Callable[[BaselineInputs], Floats]]:
    """Return every method that answers with one box, by the name it has in results."""
    return {
        "whole_image": whole_image,
        "centre_70": lambda inputs: centre_box(inputs, 0.7),
        "centre_50": lambda inputs: centre_box(inputs, 0.5),
        "largest": largest_proposal,
        "top_score": highest_score,
        "prior": prior,
        "label_match": label_match,
        "largest_label_match": largest_label_match,
        "number_match": number_match,
        "number_match_or_cam": number_match_or_cam,
        "position_match": position_match,
        "relation_match": relation_match,
        "cam_box": lambda inputs: cam_box(inputs, cam_threshold),
        "cam_proposal": cam_proposal,
    }


def chance_and_bounds(scores: Floats) -> dict[str, Floats]:
    """Score the methods that answer with all proposals at once.

    Args:
        scores: rows of `metrics.score_boxes` for the proposals and, last, the whole image,
            float64 (R + 1, C).

    Returns:
        Scores of `random`, the exact expectation of a uniform draw among the proposals (the whole
        image if there is none), of `oracle`, the best proposal for each column (0 if there is
        none), and of `oracle_whole_image`, with the image among them; float64 (C,) each.
    """
    proposals, image = scores[:-1], scores[-1]
    return {
        "random": proposals.mean(axis=0) if len(proposals) else image,
        "oracle": proposals.max(axis=0, initial=0.0),
        "oracle_whole_image": scores.max(axis=0),
    }


def _best_placed(inputs: BaselineInputs, nats: Floats) -> Floats:
    fitting = fits_best(inputs)
    sizes = inputs.scores * np.sqrt(_areas_inside(inputs))  # (R,)
    ranks = np.exp(nats) * sizes  # never below 0, the rank of what does not fit
    return _best(inputs, ranks, fitting if fitting.any() else np.ones(len(ranks), bool))


def _best(
    inputs: BaselineInputs, ranks: NDArray[np.floating], eligible: NDArray[np.bool_]
) -> Floats:
    """Return the eligible proposal of the highest rank, the first of equals; else the image."""
    if not eligible.any():
        return whole_image(inputs)
    return np.asarray(inputs.boxes_xyxy[np.where(eligible, ranks, -1.0).argmax()], np.float64)


def _areas_inside(inputs: BaselineInputs) -> Floats:
    """Return the area of each proposal inside the image in square pixels, float64 (R,)."""
    return box_areas(clip_boxes(inputs.boxes_xyxy, inputs.image_hw))
