from itertools import pairwise

import numpy as np
import pytest

from pipeline.caching.runs import check_runs, row_offsets


@pytest.mark.parametrize("counts", [[], [0], [3, 0, 2], np.array([3, 0, 2], np.int32)])
def test_offsets_are_where_each_item_begins_and_the_last_ends(counts):
    offsets = row_offsets(counts)
    assert offsets.dtype == np.int64
    rows = [number for number, count in enumerate(counts) for _ in range(count)]
    spans = [rows[start:stop] for start, stop in pairwise(offsets.tolist())]
    assert spans == [[number] * count for number, count in enumerate(counts)]
    assert (offsets[0], offsets[-1]) == (0, len(rows))


@pytest.mark.parametrize("offsets", [[0, 3, 3, 5], [0, 5]])
def test_offsets_of_runs_pass(offsets):
    check_runs(np.array(offsets), 5)


@pytest.mark.parametrize("offsets", [[1, 5], [0, 4], [0, 6], [0, 4, 3, 5]])
def test_offsets_that_begin_late_end_elsewhere_or_step_back_are_refused(offsets):
    with pytest.raises(ValueError, match="offsets"):
        check_runs(np.array(offsets), 5)
