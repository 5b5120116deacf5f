import numpy as np
import pytest

from benchmarks.made.world import WorldSizes
from benchmarks.rows.growth import GrowthSizes, cost_of, measure, rows_of
from tests.benchmarks.rows.checks import check_row


def test_time_is_compared_by_the_picture_and_memory_as_it_is():
    spent = [
        {"cams": {"small": (2.0, 100.0), "large": (20.0, 110.0)}},
        {"cams": {"small": (2.0, 100.0), "large": (24.0, 100.0)}},
    ]
    time, memory = rows_of("cams", spent, GrowthSizes(times=10))
    assert time.ratios == (1.0, 1.2)
    assert memory.ratios == (1.1, 1.0)
    assert (time.is_met, memory.is_met) == (False, True)


def test_memory_is_that_of_the_work_alone():
    _, large = cost_of(lambda: np.ones(2**25))  # 256 MiB
    _, small = cost_of(lambda: None)
    assert 200 * 2**10 < large - small < 300 * 2**10


@pytest.mark.slow
def test_every_stage_has_a_row_of_each():
    world = WorldSizes(11, 2, (64, 48), scenes=4, tagger_steps=20)
    rows = measure(GrowthSizes(world, times=2, rounds=1))
    assert [row.name for row in rows][::2] == [
        "growth_annotations",
        "growth_nouns",
        "growth_proposals",
        "growth_noun_head",
        "growth_cams",
        "growth_loading",
    ]
    for row in rows:
        check_row(row, at_least=False, rounds=1)
