"""What a box's place and shape say of a phrase, one pair at a time, in float64."""

import math

import numpy as np


def geometry(box, content):
    """Return the nine measures of a box in the part of the input that shows the image.

    Both are (left, top, right, bottom) in pixels of the input.
    """
    left, top, right, bottom = content
    width, height = right - left, bottom - top
    shares = [(box[0] - left) / width, (box[1] - top) / height]
    shares += [(box[2] - left) / width, (box[3] - top) / height]
    centre = [(shares[0] + shares[2]) / 2, (shares[1] + shares[3]) / 2]
    sides = [math.log(shares[2] - shares[0]), math.log(shares[3] - shares[1])]
    edges = [shares[0] < 0.02, shares[1] < 0.02, shares[2] > 0.98, shares[3] > 0.98]
    pixels = [max(1.0, box[2] - box[0]), max(1.0, box[3] - box[1])]
    return np.array([*centre, *sides, *edges, math.log(pixels[0] / pixels[1])])


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
