"""Grad-CAM and average precision as slow loops."""

import numpy as np


def grad_cam(activations, gradients):
    """Sum each channel times the mean of its gradient: (C, h, w), (C, h, w) -> (h, w)."""
    channels, height, width = activations.shape
    total = np.zeros((height, width))
    for channel in range(channels):
        alpha = 0.0
        for row in range(height):
            for column in range(width):
                alpha += float(gradients[channel, row, column]) / (height * width)
        for row in range(height):
            for column in range(width):
                total[row, column] += alpha * float(activations[channel, row, column])
    return total


def class_activation_map(activations, class_weight):
    """Weigh each channel by its part in the class score, as Zhou et al.: (C, h, w), (C,)."""
    total = np.zeros(activations.shape[1:])
    for channel, weight in enumerate(class_weight):
        total += float(weight) * activations[channel].astype(np.float64)
    return total


def average_precision(scores, said):
    """Return the mean, over what was said, of the share of hits down to its rank."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    hits, precisions = 0, []
    for rank, index in enumerate(order, start=1):
        if said[index]:
            hits += 1
            precisions.append(hits / rank)
    return sum(precisions) / len(precisions)
