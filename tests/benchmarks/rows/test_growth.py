import mmap

import numpy as np
import pytest

from benchmarks.made.world import WorldSizes
from benchmarks.rows.growth import GrowthSizes, cost_of, measure, rows_of
from tests.benchmarks.rows.checks import check_row


def test_time_is_compared_by_the_further_picture_and_memory_as_it_is():
    def of(seconds, peak):  # 5 pictures, 5 + 3 and 5 + 3 + 20, after 7 s that every run pays
        once = {"small": (7 + 5 * 2.0, 100.0), "middle": (7 + 8 * 2.0, 104.0)}
        return {"cams": once | {"large": (7 + 8 * 2.0 + seconds, peak)}}

    spent = [of(20 * 2.0, 110.0), of(20 * 2.4, 100.0)]
    time, memory = rows_of("cams", spent, GrowthSizes(WorldSizes(5), middle=3, large=20))
    assert time.ratios == pytest.approx((1.0, 1.2))
    assert memory.ratios == (1.1, 1.0)
    assert (time.is_met, memory.is_met) == (False, True)


def test_memory_is_that_of_the_work_alone():
    def hold():  # not from the heap, which may keep what was freed before
        np.frombuffer(mmap.mmap(-1, 256 * 2**20), np.uint8).fill(1)

    _, before = cost_of(lambda: None)
    _, large = cost_of(hold)
    _, after = cost_of(lambda: None)
    assert 250 * 2**10 < large - before < 270 * 2**10
    assert after < large - 250 * 2**10


@pytest.mark.slow
def test_every_stage_has_a_row_of_each(trained):
    world = WorldSizes(5, 2, (64, 48), trained=trained)
    rows = measure(GrowthSizes(world, middle=5, large=10, rounds=1, timed_s=0.02))
    assert [row.name for row in rows][::2] == [
        "growth_annotations",
        "growth_nouns",
        "growth_proposals",
        "growth_noun_head",
        "growth_cams",
        "growth_loading",
    ]
    for time, memory in zip(rows[::2], rows[1::2], strict=True):
        check_row(memory, at_least=False, rounds=1)
        check_row(time, at_least=False, rounds=1, is_difference=True)
