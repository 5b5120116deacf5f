from benchmarks.made.world import WorldSizes
from benchmarks.rows.cams_stage import measure
from tests.benchmarks.rows.checks import check_row


def test_the_stage_runs_as_often_as_it_is_timed(trained):
    (row,) = measure(WorldSizes(5, 3, (64, 48), "resnet10", 0.25, trained=trained), 1)
    check_row(row, at_least=False, rounds=1)
