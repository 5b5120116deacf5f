"""Draw what is done to a training sample: crop, length, place, mirror, colours.

The steps and their chances are TransVG's (https://github.com/djiajunustc/TransVG), but no ground
truth decides where to crop. Shapes: H W pixels, R proposals, P phrases, (h, w) cells of a map of
the whole image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from models.phrases.mirroring import may_crop, may_flip
from pipeline.geometry.boxes import Placement, Window, box_areas, letterbox, whole_window
from pipeline.geometry.placement import Floats, cam_mass, windows_of
from pipeline.params.train import AugmentParams

JITTER_CHANCE = 0.8  # [C] TransVG
CROP_TRIES = 20
CROP_SHORT_SIDES_PX = (400, 500, 600)  # [C] TransVG: the image's shorter side before a crop
CROP_SIDES_PX = (384, 600)  # [C] TransVG: each side of a crop, within the image
SCALE_STEP_PX = 32  # [C] TransVG: between the lengths that the longer side may get
CROP_KEEPS_CAM = 0.95  # of the head noun's CAM
CROP_KEEPS_BOX = 0.9  # of the area of each of the likeliest proposals
LIKELY_BOXES = 3


@dataclass(frozen=True)
class Evidence:
    """What training may know of where phrases are.

    Attributes:
        image_hw: height and width of the original image.
        boxes_xyxy: proposals, original pixels, highest score first, float32 (R, 4).
        priors: fit of each phrase's head noun and each proposal's label, in [0, 1], (P, R).
        head_cams: signed map of each phrase's head noun, zero where there is none, (P, h, w).
    """

    image_hw: tuple[int, int]
    boxes_xyxy: Floats
    priors: Floats
    head_cams: Floats


def draw_placement(
    phrases: Sequence[str],
    evidence: Evidence,
    image_px: int,
    params: AugmentParams,
    rng: np.random.Generator,
) -> Placement:
    """Draw where an image goes in its square; `.flip` says that its phrases must be mirrored too.

    Args:
        phrases: of one image; what one of them forbids (see `mirroring`) is not done.
        evidence: where they may be; a crop keeps it inside.
        image_px: side of the square.
        params: the chances.
        rng: random generator.
    """
    flip_draw, crop_draw = rng.random(2)
    flip = bool(flip_draw < params.flip) and all(may_flip(phrase) for phrase in phrases)
    window = whole_window(evidence.image_hw)
    if crop_draw < params.crop and all(may_crop(phrase) for phrase in phrases):
        window = draw_crop(evidence, rng)
    shrink_px = SCALE_STEP_PX * int(rng.integers(params.scales))
    placement = letterbox(window, image_px - shrink_px, flip)
    return _moved(placement, image_px, rng) if params.translate else placement


def _moved(placement: Placement, image_px: int, rng: np.random.Generator) -> Placement:
    """Draw where in its square the content lies."""
    height, width = placement.content_hw
    left, top = rng.integers((image_px - width + 1, image_px - height + 1))
    return replace(placement, offset_xy=(int(left), int(top)))


def draw_crop(evidence: Evidence, rng: np.random.Generator) -> Window:
    """Draw a part of the image that keeps what the phrases may speak of; after 20 tries, all of it.

    It keeps 95 % of every head noun's CAM and 90 % of the three proposals of the largest
    prior x share of the CAM inside. Its sides are those that TransVG gets by resizing the image
    first, rounded outwards to whole pixels; here the one affine map does both at once.
    """
    height, width = evidence.image_hw
    likely = evidence.boxes_xyxy[likely_boxes(evidence)]
    whole = whole_window(evidence.image_hw)
    least_mass = CROP_KEEPS_CAM * _mass_inside(evidence, whole)  # (P,)
    least_area = CROP_KEEPS_BOX * _areas_inside(likely, whole)  # (R,)
    smallest, largest = CROP_SIDES_PX
    for _ in range(CROP_TRIES):
        scale = CROP_SHORT_SIDES_PX[rng.integers(len(CROP_SHORT_SIDES_PX))] / min(height, width)
        wide, tall = (
            (smallest + share * (min(side * scale, largest) - smallest)) / scale
            for side, share in zip((width, height), rng.random(2).tolist(), strict=True)
        )
        left, top = rng.random(2).tolist()
        x1, y1 = left * (width - wide), top * (height - tall)
        x2, y2 = min(width, ceil(x1 + wide)), min(height, ceil(y1 + tall))
        window = (float(floor(x1)), float(floor(y1)), float(x2), float(y2))
        keeps_boxes = (_areas_inside(likely, window) >= least_area).all()
        if keeps_boxes and (_mass_inside(evidence, window) >= least_mass).all():
            return window
    return whole


def likely_boxes(evidence: Evidence) -> NDArray[np.intp]:
    """Return the indices of each phrase's three likeliest proposals, without repeats, sorted."""
    inside = cam_mass(evidence.head_cams, windows_of(evidence.boxes_xyxy, evidence.image_hw))
    totals = np.maximum(evidence.head_cams, 0).sum(axis=(-2, -1))[:, None]  # (P, 1)
    shares = np.where(totals > 0, inside / np.where(totals > 0, totals, 1), 1.0)  # (P, R)
    ranks = np.argsort(-evidence.priors * shares, axis=1, kind="stable")  # (P, R)
    return np.unique(ranks[:, :LIKELY_BOXES])


def draw_colours(strength: float, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Draw a change of brightness, contrast and saturation, in random order.

    Args:
        strength: factors are uniform in 1 - strength to 1 + strength.
        rng: draws the factors, the order, and whether anything is done at all (4 in 5).

    Returns:
        The factors, float32 (3,), 1 where nothing is done; the order of the three, int64 (3,).
    """
    chance = rng.random()
    factors = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    order = rng.permutation(3)
    if chance >= JITTER_CHANCE:
        factors = np.ones_like(factors)
    return factors, order


def _mass_inside(evidence: Evidence, window: Window) -> Floats:
    """Return the sum of each phrase's map inside a window, float32 (P,)."""
    shares = windows_of(np.array([window]), evidence.image_hw)
    return cam_mass(evidence.head_cams, shares)[:, 0]


def _areas_inside(boxes_xyxy: Floats, window: Window) -> NDArray[np.float64]:
    """Return the area of each box inside a window, (R,)."""
    low = np.maximum(boxes_xyxy[:, :2], window[:2])
    high = np.minimum(boxes_xyxy[:, 2:], window[2:])
    return box_areas(np.concatenate([low, high], axis=1))
