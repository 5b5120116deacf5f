"""Draw what is done to a training sample: crop, length, place, mirror, colours.

The steps and their chances are TransVG's (https://github.com/djiajunustc/TransVG), but no ground
truth decides where to crop. Shapes: H W pixels, R proposals, P phrases, (h, w) cells of a map of
the whole image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


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
    shrink_px = SCALE_STEP_PX * int(rng.integers(params.scales)) if params.scales > 1 else 0
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
    first; here the one affine map does both at once.
    """
    height, width = evidence.image_hw
    likely = evidence.boxes_xyxy[likely_boxes(evidence)]
    smallest, largest = CROP_SIDES_PX
    for _ in range(CROP_TRIES):
        scale = rng.choice(CROP_SHORT_SIDES_PX) / min(height, width)
        full = np.array([width, height]) * scale
        sides = rng.uniform(smallest, np.minimum(full, largest)) / scale
        x1, y1 = rng.uniform(0, 1, 2) * ((width, height) - sides)
        window = (float(x1), float(y1), float(x1 + sides[0]), float(y1 + sides[1]))
        if _keeps_cams(evidence, window) and _keeps_boxes(likely, window):
            return window
    return whole_window(evidence.image_hw)


def likely_boxes(evidence: Evidence) -> NDArray[np.intp]:
    """Return the indices of each phrase's three likeliest proposals, without repeats, sorted."""
    inside = cam_mass(evidence.head_cams, windows_of(evidence.boxes_xyxy, evidence.image_hw))
    totals = np.maximum(evidence.head_cams, 0).sum(axis=(-2, -1))[:, None]  # (P, 1)
    shares = np.where(totals > 0, inside / np.where(totals > 0, totals, 1), 1.0)  # (P, R)
    ranks = np.argsort(-evidence.priors * shares, axis=1, kind="stable")  # (P, R)
    return np.unique(ranks[:, :LIKELY_BOXES])


def draw_jitter(strength: float, rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """Draw a change of brightness, contrast and saturation, in random order.

    Args:
        strength: factors are uniform in 1 - strength to 1 + strength.
        rng: draws the factors, the order, and whether anything is done at all (4 in 5).

    Returns:
        A function of RGB in [0, 1], float32 (3, H, W), to the same.
    """
    chance = rng.random()
    factors = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    order = rng.permutation(3)
    if strength == 0 or chance >= JITTER_CHANCE:
        return lambda image: image
    return lambda image: _jittered(image, factors, order)


def _jittered(image: Floats, factors: Floats, order: NDArray[np.int64]) -> Floats:
    """Move an image away from black, from its mean grey and from its own greys, in some order."""
    moved = image.copy()  # in place: fresh memory costs more than the sums
    for step in order:
        grey = np.tensordot(_LUMA, moved, 1) if step else np.float32(0)  # (H, W)
        anchor = grey.mean(dtype=np.float64).astype(np.float32) if step == 1 else grey
        moved -= anchor
        moved *= factors[step]
        moved += anchor
        np.clip(moved, 0, 1, out=moved)
    return moved


def _keeps_cams(evidence: Evidence, window: Window) -> bool:
    windows = np.array([window, whole_window(evidence.image_hw)])
    inside, total = cam_mass(evidence.head_cams, windows_of(windows, evidence.image_hw)).T
    return bool((inside >= CROP_KEEPS_CAM * total).all())


def _keeps_boxes(boxes_xyxy: Floats, window: Window) -> bool:
    low = np.maximum(boxes_xyxy[:, :2], window[:2])
    high = np.minimum(boxes_xyxy[:, 2:], window[2:])
    kept = box_areas(np.concatenate([low, high], axis=1))
    return bool((kept >= CROP_KEEPS_BOX * box_areas(boxes_xyxy)).all())
