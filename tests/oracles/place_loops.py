"""What words of place say of boxes, one box at a time, in plain Python floats.

A box is (left, top, right, bottom) in shares of the image; a phrase a set of cues, a rank and its
side, or a relation.
"""

import math


def centre(box):
    left, top, right, bottom = box
    return (left + right) / 2, (top + bottom) / 2


def area(box):
    left, top, right, bottom = box
    return max(right - left, 0) * max(bottom - top, 0)


def common(one, other):
    """Return the area that two boxes share."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    return area((left, top, right, bottom))


def overlap(one, other):
    """Return the IoU, 0 of boxes without area."""
    union = area(one) + area(other) - common(one, other)
    return common(one, other) / union if union > 0 else 0.0


def gap(one, other):
    """Return the distance of the nearest points."""
    aside = max(one[0] - other[2], other[0] - one[2], 0)
    above = max(one[1] - other[3], other[1] - one[3], 0)
    return math.hypot(aside, above)


def side_logit(box, cues):
    (x, y), lower = centre(box), box[3]
    towards = {
        "left": 0.5 - x,
        "right": x - 0.5,
        "top": 0.5 - y,
        "bottom": y - 0.5,
        "front": lower - 0.5,
        "back": 0.5 - lower,
    }
    logit = sum(towards[cue] for cue in cues if cue in towards)
    if "middle" in cues:
        logit -= 0 if cues & {"left", "right"} else abs(x - 0.5)
        logit -= 0 if cues & {"top", "bottom"} else abs(y - 0.5)
    return logit


def size_logit(box, cues):
    return math.sqrt(area(box)) * (("large" in cues) - ("small" in cues))


def order_logits(boxes, candidates, rank, side):
    """Return minus the places between each box and the one that is meant.

    Things are the candidates but those that are the same as an earlier one; the same is what
    overlaps by more than a half. A box's place is how many other things come before it.
    """
    if rank == 0:
        return [0.0] * len(boxes)
    along = [_along(box, side) for box in boxes]
    things = [
        index
        for index in candidates
        if not any(
            other < index and overlap(boxes[other], boxes[index]) > 0.5 for other in candidates
        )
    ]
    logits = []
    for index, box in enumerate(boxes):
        before = [
            thing
            for thing in things
            if along[thing] < along[index] and overlap(boxes[thing], box) <= 0.5
        ]
        logits.append(-float(abs(len(before) - (rank - 1))))
    return logits


def _along(box, side):
    (x, y), lower = centre(box), box[3]
    return {"left": x, "right": -x, "top": y, "bottom": -y, "front": -lower, "back": lower}[side]


def relation_fit(box, anchor, relation):
    """Return how well a box stands in a relation to another, in [-1, 1]."""
    if overlap(box, anchor) > 0.5:
        return -1.0
    (x, y), (anchor_x, anchor_y) = centre(box), centre(anchor)
    across, down = x - anchor_x, y - anchor_y
    smaller = min(area(box), area(anchor))
    lower = box[3] - anchor[3]
    fit = {
        "left": -across - 0.8 * abs(down),
        "right": across - 0.8 * abs(down),
        "top": -down - 0.8 * abs(across),
        "bottom": down - 0.8 * abs(across),
        "front": lower - gap(box, anchor),
        "back": -lower - gap(box, anchor),
        "near": -gap(box, anchor),
        "touching": (common(box, anchor) / smaller if smaller > 0 else 0.0) - 1,
    }[relation]
    return min(max(fit, -1.0), 1.0)


def relation_logits(boxes, relation, anchor_probs):
    if not relation:
        return [0.0] * len(boxes)
    return [
        sum(
            prob * relation_fit(box, anchor, relation)
            for prob, anchor in zip(anchor_probs, boxes, strict=True)
        )
        for box in boxes
    ]


def counted(fits, scores, is_single):
    """Return which boxes are counted: single ones that fit best, nearly as sure as the surest."""
    fitting = [fit for fit, single in zip(fits, is_single, strict=True) if single and fit > 0]
    best = [
        index
        for index, fit in enumerate(fits)
        if is_single[index] and fit > 0 and fit == max(fitting)
    ]
    surest = max((scores[index] for index in best), default=0)
    return [index for index in best if scores[index] >= 0.4 * surest]


def anchor_probs(fits, scores, colours, areas, config):
    """Return how probable each box is as the anchor; 0 for all where none fits.

    `areas` are shares of the image; only real boxes are given.
    """
    weights = []
    for fit, score, colour, share in zip(fits, scores, colours, areas, strict=True):
        weight = (fit + config.prior_floor) * max(score, 1e-3) if fit > 0 else 0.0
        if any(other > 0 for other in colours):
            weight *= (colour * math.sqrt(max(share, 1e-4)) + 1e-3) ** config.prior_colour
        weights.append(weight)
    return [weight / (sum(weights) or 1) for weight in weights]
