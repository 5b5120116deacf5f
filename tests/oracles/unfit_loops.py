"""What is known of a box without labels, one pair at a time, in float64.

Boxes are (left, top, right, bottom) in pixels of the input.
"""

import math

import numpy as np

from tests.oracles.sentence_loops import area, intersection


def geometry(box, content):
    """Return the nine measures of a box in the part of the input that shows the image."""
    left, top, right, bottom = content
    width, height = right - left, bottom - top
    shares = [(box[0] - left) / width, (box[1] - top) / height]
    shares += [(box[2] - left) / width, (box[3] - top) / height]
    centre = [(shares[0] + shares[2]) / 2, (shares[1] + shares[3]) / 2]
    sides = [math.log(shares[2] - shares[0]), math.log(shares[3] - shares[1])]
    edges = [shares[0] < 0.02, shares[1] < 0.02, shares[2] > 0.98, shares[3] > 0.98]
    pixels = [max(1.0, box[2] - box[0]), max(1.0, box[3] - box[1])]
    return [*centre, *sides, *edges, math.log(pixels[0] / pixels[1])]


def on_wearer(box, wearer):
    """Return the eight measures of a box on its wearer's, None where nobody has it."""
    if wearer is None:
        return [0.0] * 8
    sides = [wearer[2] - wearer[0], wearer[3] - wearer[1]] * 2
    steps = [(box[i] - wearer[i % 2]) / max(1.0, sides[i]) for i in range(4)]
    inside = intersection(box, wearer) / area(box)
    log_area = math.log(max(area(box) / area(wearer), 1e-4))
    return [
        *(min(3.0, max(-2.0, step)) for step in steps),
        min(3.0, max(-8.0, log_area)), inside, math.log(inside + 0.05), 1.0,
    ]  # fmt: skip


def map_measures(mean, mass, log_density):
    """Return the four measures of a noun's map in a box."""
    return [math.log(mean + 0.02), math.log(mass + 0.02), log_density, 1.0]


def gelu(values):
    return np.array([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in values])


def score(state, measured, phrase):
    """Return the score of one pair by a scorer's weights."""
    pair = state["of_box.weight"] @ measured + state["of_box.bias"]
    pair = pair + state["of_phrase.weight"] @ phrase + state["of_phrase.bias"]
    hidden = gelu(state["hidden.weight"] @ gelu(pair) + state["hidden.bias"])
    return float((state["last.weight"] @ hidden + state["last.bias"])[0])


def divergence(teacher, pupil):
    """Return KL(softmax(teacher) || softmax(pupil)) of two lists of logits, in nats."""
    log_norms = [math.log(sum(map(math.exp, logits))) for logits in (teacher, pupil)]
    logs = [(t - log_norms[0], p - log_norms[1]) for t, p in zip(teacher, pupil, strict=True)]
    return sum(math.exp(t) * (t - p) for t, p in logs)
