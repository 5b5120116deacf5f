import pytest

from benchmarks.rows.repro import ReproSizes, measure
from tests.benchmarks.rows.checks import check_row


@pytest.mark.slow
def test_dvc_finds_nothing_to_do():
    (row,) = measure(ReproSizes(pictures=3, rounds=1))
    check_row(row, at_least=False, rounds=1)
