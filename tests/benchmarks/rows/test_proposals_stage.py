from benchmarks.made.world import WorldSizes
from benchmarks.rows.proposals_stage import measure
from tests.benchmarks.rows.checks import check_row


def test_the_stage_is_compared_with_both():
    bare, inferencer = measure(WorldSizes(11, 1, (96, 96), scenes=4, tagger_steps=1), 1)
    check_row(bare, at_least=False, rounds=1)
    check_row(inferencer, at_least=True, rounds=1)
