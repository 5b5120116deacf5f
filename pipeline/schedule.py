"""How fast a training learns at each of its steps."""

import math


def rate_factor(step: int, num_steps: int, warmup_fraction: float) -> float:
    """Return the share of the full learning rate: a linear rise, then half a cosine towards 0.

    With w warm-up steps of n, step t (counted from 0) gets (t + 1) / (w + 1) while t < w, then
    (1 + cos(pi (t - w) / (n - w))) / 2 (https://arxiv.org/abs/1608.03983, eq. 5, no restart).

    Args:
        step: steps done before this one.
        num_steps: of the whole training.
        warmup_fraction: share of the steps that the rise takes, in [0, 1).
    """
    warmup = round(warmup_fraction * num_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (1 + math.cos(math.pi * (step - warmup) / (num_steps - warmup))) / 2
