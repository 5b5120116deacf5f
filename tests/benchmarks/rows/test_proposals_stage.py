from benchmarks.made.world import WorldSizes
from benchmarks.rows.proposals_stage import measure
from tests.benchmarks.rows.checks import check_row


def test_the_stage_is_compared_with_both(trained):
    bare, inferencer = measure(WorldSizes(5, 1, (96, 96), trained=trained), 1)
    check_row(bare, at_least=False, rounds=1)
    check_row(inferencer, at_least=True, rounds=1)
