from benchmarks.rows.nouns_stage import NounSizes, measure
from tests.benchmarks.rows.checks import check_row


def test_phrases_that_repeat_are_parsed_once():
    (row,) = measure(NounSizes(phrases=200, sample=10, rounds=1))
    check_row(row, at_least=True, rounds=1)
