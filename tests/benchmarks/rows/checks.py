"""What holds of every row, whatever the machine."""

import math


def check_row(row, *, at_least, rounds, is_difference=False):
    """Check that a row has a ratio for each round, and its mark on the right side.

    A ratio is positive, unless it is of a difference of times: of so little, that may be negative.
    """
    assert row.mark.at_least is at_least
    assert len(row.ratios) == rounds
    assert all(math.isfinite(ratio) for ratio in row.ratios)
    assert is_difference or min(row.ratios) > 0
