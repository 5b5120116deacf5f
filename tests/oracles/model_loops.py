"""Slow float64 loops for what the models compute, written from the papers. Numpy only."""

import math

import numpy as np


def softmax(values):
    exps = [math.exp(value - max(values)) for value in values]
    return [value / sum(exps) for value in exps]


def attention(query, key, value, key_mask, heads):
    """Scaled dot-product attention of projected (Q, D), (L, D), (L, D), heads side by side."""
    num_rows, dim = query.shape
    size = dim // heads
    out = np.zeros((num_rows, dim))
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for row in range(num_rows):
            readable = [i for i in range(len(key)) if key_mask[i]]
            logits = [sum(query[row, part] * key[i, part]) / math.sqrt(size) for i in readable]
            for weight, i in zip(softmax(logits), readable, strict=True):
                out[row, part] += weight * value[i, part]
    return out


def bilinear(grid, y, x):
    """Value of a (h, w) grid of cell centres at 0, 1, ... ; outside it is held constant."""
    height, width = grid.shape
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = math.floor(y), math.floor(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    top = grid[y0, x0] * (1 - (x - x0)) + grid[y0, x1] * (x - x0)
    bottom = grid[y1, x0] * (1 - (x - x0)) + grid[y1, x1] * (x - x0)
    return top * (1 - (y - y0)) + bottom * (y - y0)


def mean_roi(grid, box_xyxy_cells, bins, samples):
    """Mean over all bins of RoIAlign (aligned) of one box on one (h, w) grid."""
    x1, y1, x2, y2 = box_xyxy_cells
    steps = bins * samples
    total = 0.0
    for i in range(steps):
        for j in range(steps):
            y = y1 + (i + 0.5) * (y2 - y1) / steps - 0.5
            x = x1 + (j + 0.5) * (x2 - x1) / steps - 0.5
            total += bilinear(grid, y, x)
    return total / steps**2


def mass_inside(grid, box_xyxy_cells):
    """Sum of a (h, w) grid inside a box, cells counted by the share of them that is covered."""
    x1, y1, x2, y2 = box_xyxy_cells
    total = 0.0
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            high = max(0.0, min(y2, row + 1) - max(y1, row))
            wide = max(0.0, min(x2, column + 1) - max(x1, column))
            total += grid[row, column] * high * wide
    return total


def cross_entropy(logits, targets, mask):
    """Mean over real words of -log softmax, (N, W, V), (N, W), (N, W)."""
    losses = [
        -math.log(softmax(list(logits[row, word]))[targets[row, word]])
        for row, word in zip(*np.nonzero(mask), strict=True)
    ]
    return sum(losses) / len(losses)


def contrast(phrases, boxes, phrase_mask, box_mask, negatives, temperature):
    """InfoNCE of phrases over the images of a batch, scored by logmeanexp over boxes."""
    losses = []
    num_images, num_phrases = phrase_mask.shape
    for image in range(num_images):
        for phrase in range(num_phrases):
            if not phrase_mask[image, phrase] or not box_mask[image].any():
                continue
            scores = {}
            for other in range(num_images):
                allowed = other == image or negatives[image, phrase, other]
                if allowed and box_mask[other].any():
                    exps = [
                        math.exp(float(phrases[image, phrase] @ boxes[other, box]) / temperature)
                        for box in range(boxes.shape[1])
                        if box_mask[other, box]
                    ]
                    scores[other] = sum(exps) / len(exps)
            losses.append(-math.log(scores[image] / sum(scores.values())))
    return sum(losses) / len(losses)


def matching(phrases, boxes, probs, phrase_mask, negatives, temperature):
    """InfoNCE, both ways, of phrases and the boxes they attend to; (N, D) rows phrase by phrase."""
    num_images, num_phrases = phrase_mask.shape
    real, attended = [], {}
    for image in range(num_images):
        for phrase in range(num_phrases):
            if phrase_mask[image, phrase] and probs[image, phrase].any():
                mean = probs[image, phrase] @ boxes[image]
                attended[image, phrase] = mean / math.sqrt(mean @ mean)
                real.append((image, phrase))
    total = 0.0
    for own in real:
        others = [key for key in real if negatives[own[0], own[1], key[0]]]
        there = [phrases[own] @ attended[key] / temperature for key in (own, *others)]
        back = [phrases[key] @ attended[own] / temperature for key in (own, *others)]
        total -= (math.log(softmax(there)[0]) + math.log(softmax(back)[0])) / 2
    return total / len(real)


def smooth_l1(first, second):
    """Sum over coordinates of Huber's loss with beta 1."""
    total = 0.0
    for a, b in zip(first, second, strict=True):
        gap = abs(a - b)
        total += 0.5 * gap**2 if gap < 1 else gap - 0.5
    return total
