from benchmarks.made.world import WorldSizes
from benchmarks.rows.loading import measure
from tests.benchmarks.rows.checks import check_row


def test_pictures_and_phrases_are_counted(trained):
    pictures, phrases = measure(WorldSizes(5, 3, (64, 48), trained=trained), 2)
    check_row(pictures, at_least=True, rounds=2)
    check_row(phrases, at_least=True, rounds=2)
    assert phrases.middle > pictures.middle
