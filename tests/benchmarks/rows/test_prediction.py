from benchmarks.made.world import WorldSizes
from benchmarks.rows.prediction import measure
from tests.benchmarks.rows.checks import check_row


def test_a_further_phrase_is_compared_with_the_first(trained):
    (row,) = measure(WorldSizes(5, 2, (64, 48), trained=trained), 2)
    check_row(row, at_least=False, rounds=2, is_difference=True)
