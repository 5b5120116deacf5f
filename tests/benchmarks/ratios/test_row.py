import pytest

from benchmarks.ratios.row import Row, at_least, at_most, ratios_of


def row(mark, *ratios):
    return Row("name", "ours", "theirs", mark, ratios, "CPU time")


def test_the_ratio_is_the_median_and_the_interval_its_extremes():
    one = row(at_least(2), 5.0, 1.0, 3.0, 40.0)
    assert one.middle == 4.0
    assert one.interval == (1.0, 40.0)


@pytest.mark.parametrize(
    ("mark", "ratio", "met"),
    [
        (at_least(3), 3.01, True),
        (at_least(3), 3.0, True),
        (at_least(3), 2.99, False),
        (at_most(3), 3.01, False),
        (at_most(3), 3.0, True),
        (at_most(3), 2.99, True),
    ],
)
def test_a_mark_is_met_from_its_side(mark, ratio, met):
    assert row(mark, ratio).is_met is met


def test_one_slow_round_does_not_decide():
    assert row(at_most(1.25), 1.1, 9.0, 1.2).is_met
    assert not row(at_least(2), 1.9, 50.0, 1.8).is_met


def test_each_round_has_a_ratio_of_its_own():
    assert ratios_of([6.0, 10.0], [2.0, 4.0]) == (3.0, 2.5)
    with pytest.raises(ValueError, match="shorter"):
        ratios_of([6.0, 10.0], [2.0])
