"""Learned words of place read off boxes, one box and one word at a time, in float64.

Boxes are (left, top, right, bottom) in shares of the image.
"""

import math

import numpy as np

from tests.oracles.model_loops import softmax
from tests.oracles.place_loops import area, centre, overlap


def measures(boxes, anchors):
    """Return the sixteen measures of every box, given each box's probability to be the anchor."""
    rows = []
    for box in boxes:
        (x, y), (left, top, right, bottom) = centre(box), box
        own = [x - 0.5, y - 0.5, *box, right - left, bottom - top, math.sqrt(area(box))]
        away = np.zeros(7)
        for other, prob in zip(boxes, anchors, strict=True):
            across, down = centre(other)[0] - x, centre(other)[1] - y
            pair = [across, down, abs(across), abs(down), math.hypot(across, down)]
            away += prob * np.array([*pair, overlap(box, other), 1.0])
        rows.append([*own, *away])
    return np.array(rows)


def words_of_measures(state, measured):
    """Return the log-probability of every word of place, (boxes, V), of a reader's weights."""
    hidden = 4.0 * measured
    for layer in ("0", "2", "4"):
        hidden = (
            hidden @ state[f"words_of_box.{layer}.weight"].T + state[f"words_of_box.{layer}.bias"]
        )
        hidden = hidden if layer == "4" else np.maximum(hidden, 0)
    return np.log([softmax(4.0 * row) for row in hidden])


def phrase_log_probs(word_log_probs, rows):
    """Return the log-probability of a phrase's words for each box; rows are those of its words."""
    return [sum(row[word] for word in rows) for row in word_log_probs]


def place_loss(rests, log_probs, usual):
    """Return -log sum_r softmax(rest)_r p(words | r) - log p(words) of one phrase."""
    chance = sum(p * math.exp(lp) for p, lp in zip(softmax(rests), log_probs, strict=True))
    return -math.log(chance) - usual
