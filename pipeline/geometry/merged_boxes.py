"""Proposals for several things at once: the box around a detector's boxes of one label.

A detector finds one thing a box; "two men" are in the box around both. Shapes: R proposals,
Q merged boxes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import from_numpy
from torchvision.ops import box_iou

SAME_IOU = 0.95  # two merged boxes of one label this alike are one

Arrays = dict[str, NDArray[Any]]


def with_merged(proposals: Mapping[str, NDArray[Any]], score_floors: Sequence[float]) -> Arrays:
    """Return proposals and the boxes around all of a label, for each label and score floor.

    Args:
        proposals: `boxes_xyxy` float32 (R, 4), `scores` float32 (R,), `labels` int16 (R,).
        score_floors: proposals of at least this score are taken together; none: nothing is added.

    Returns:
        The same arrays, (R + Q), and `is_merged` bool (R + Q,). A merged box has its members'
        label and mean score; it has two members or more.
    """
    scores, labels = proposals["scores"], proposals["labels"]
    groups = [
        (scores >= floor) & (labels == label)
        for floor in score_floors
        for label in np.unique(labels)
    ]
    merged = _distinct(proposals, [group for group in groups if group.sum() > 1])
    flags = np.repeat([False, True], [len(scores), len(merged["scores"])])  # (R + Q,)
    joined = {name: np.concatenate([proposals[name], merged[name]]) for name in merged}
    return {**joined, "is_merged": flags}


def _distinct(proposals: Mapping[str, NDArray[Any]], groups: Sequence[NDArray[np.bool_]]) -> Arrays:
    """Return the box, score and label of each group, without those that an earlier one gives."""
    boxes, scores, labels = (proposals[name] for name in ("boxes_xyxy", "scores", "labels"))
    kept = {"boxes_xyxy": boxes[:0], "scores": scores[:0], "labels": labels[:0]}
    for group in groups:
        low, high = boxes[group, :2].min(axis=0), boxes[group, 2:].max(axis=0)
        fresh = {
            "boxes_xyxy": np.concatenate([low, high])[None],  # (1, 4)
            "scores": scores[group].mean(keepdims=True),
            "labels": labels[group][:1],
        }
        overlaps = box_iou(*(from_numpy(rows["boxes_xyxy"]) for rows in (kept, fresh)))[:, 0]
        if not ((overlaps.numpy() >= SAME_IOU) & (kept["labels"] == fresh["labels"])).any():
            kept = {name: np.concatenate([kept[name], fresh[name]]) for name in kept}
    return kept
