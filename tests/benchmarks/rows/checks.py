"""What holds of every row, whatever the machine."""

import math


def check_row(row, *, at_least, rounds):
    """Check that a row has a positive ratio for each round, and its mark on the right side."""
    assert row.mark.at_least is at_least
    assert len(row.ratios) == rounds
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in row.ratios)
