from benchmarks.made.world import WorldSizes
from benchmarks.rows.loading import measure
from tests.benchmarks.rows.checks import check_row


def test_pictures_and_phrases_are_counted():
    pictures, phrases = measure(WorldSizes(11, 3, (64, 48), scenes=4, tagger_steps=20), 2)
    check_row(pictures, at_least=True, rounds=2)
    check_row(phrases, at_least=True, rounds=2)
    assert phrases.middle > pictures.middle
