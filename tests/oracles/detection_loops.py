"""Slow float64 loops for detectors, from their definitions; numpy only."""

import numpy as np

from tests.oracles.grounding_loops import iou


def suppress(boxes, scores, iou_threshold):
    """Greedy non-maximum suppression: indices of the kept boxes by descending score."""
    kept = []
    for index in np.argsort(-np.asarray(scores), kind="stable"):
        if all(iou(boxes[index], boxes[better]) <= iou_threshold for better in kept):
            kept.append(int(index))
    return kept
