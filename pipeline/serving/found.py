"""What a model says of a phrase in a picture, and why.

Shapes: R candidates, (h, w) cells of a map over the padded square, (H, W) pixels of the picture.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.images.overlays import map_over_image

AnswerName = Literal["reg", "proposal", "refined"]
ANSWERS: tuple[AnswerName, ...] = get_args(AnswerName)
Box = tuple[float, float, float, float]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """A proposal and what speaks for it.

    Attributes:
        box_xyxy: pixels of the picture.
        label: the detector's name of what is in it; None for a part of the picture that is a
            proposal without the detector.
        is_merged: the box is around several of the detector's boxes.
        detector_score: the detector's confidence in [0, 1]; 0 for a part of the picture.
        prior: what is believed without training: label, number, colour, area, score.
        cam: what the nouns' maps add.
        learned: what the trained scorer adds.
        logit: the sum of the three.
        probability: softmax of the logits over all candidates.
    """

    box_xyxy: Box
    label: str | None
    is_merged: bool
    detector_score: float
    prior: float
    cam: float
    learned: float
    logit: float
    probability: float


@dataclass(frozen=True)
class Found:
    """Where a phrase is in a picture.

    Attributes:
        phrase: the text that was looked for.
        box_xyxy: left, top, right, bottom in pixels of the picture, continuous corners.
        score: probability of the best candidate, in [0, 1]; None where nothing was proposed.
        confidence: calibrated probability that the box is a hit, in (0, 1), as the model's
            evaluation found it for the answer `reg`; None for another answer, for a model that was
            not evaluated, and where nothing was proposed.
        nouns: nouns of the phrase, the head noun first.
        candidates: every proposal, the best first; none where nothing was proposed.
        image_hw: height and width of the picture.
        map_cells: map of the head noun over the square of which the picture is the top left part,
            in [0, 1], float32 (h, w); None where it has none.
    """

    phrase: str
    box_xyxy: Box
    score: float | None
    confidence: float | None
    nouns: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    image_hw: tuple[int, int]
    map_cells: Floats | None

    @property
    def heat_map(self) -> Floats | None:
        """Where the model looks for the head noun, in [0, 1], float32 (H, W); None without one."""
        return None if self.map_cells is None else map_over_image(self.map_cells, self.image_hw)
