"""Slow float64 loops for boxes and maps, from their definitions; numpy only."""

import numpy as np


def iou(box, other):
    """Intersection over union of two (x1, y1, x2, y2); 0 where the union is empty."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    total = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)) - shared
    return shared / total if total > 0 else 0.0


def volume_inside(heights, box):
    """Sum over pixels of height x the part of the pixel that lies in the box."""
    total = 0.0
    for row in range(heights.shape[0]):
        for column in range(heights.shape[1]):
            width = max(0.0, min(box[2], column + 1) - max(box[0], column))
            height = max(0.0, min(box[3], row + 1) - max(box[1], row))
            total += heights[row, column] * width * height
    return total


def largest_part(mask):
    """Extent (x1, y1, x2, y2) of the largest 4-connected part of a mask, by flood fill."""
    best, todo = [], {tuple(place) for place in np.argwhere(mask)}
    while todo:
        part, edge = [], [min(todo)]
        todo.discard(edge[0])
        while edge:
            row, column = edge.pop()
            part.append((row, column))
            for place in (
                (row + 1, column),
                (row - 1, column),
                (row, column + 1),
                (row, column - 1),
            ):
                if place in todo:
                    todo.discard(place)
                    edge.append(place)
        best = max(best, part, key=len)
    rows, columns = np.array(best).T
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def resize_bilinear(grid, height, width):
    """Bilinear between cell centres, constant beyond the outermost centres."""
    out = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            y = min(max((row + 0.5) * grid.shape[0] / height - 0.5, 0), grid.shape[0] - 1)
            x = min(max((column + 0.5) * grid.shape[1] / width - 0.5, 0), grid.shape[1] - 1)
            top, left = int(y), int(x)
            down, right = min(top + 1, grid.shape[0] - 1), min(left + 1, grid.shape[1] - 1)
            upper = grid[top, left] * (1 - (x - left)) + grid[top, right] * (x - left)
            lower = grid[down, left] * (1 - (x - left)) + grid[down, right] * (x - left)
            out[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return out
