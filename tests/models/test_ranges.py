import re
from dataclasses import replace

import pytest

from models.ranges import Length, Pattern, Range

HALF_OPEN = Range(0, 1)


@pytest.mark.parametrize(
    ("bound", "holds_low", "holds_high"),
    [
        (HALF_OPEN, True, True),
        (replace(HALF_OPEN, above_low=True), False, True),
        (replace(HALF_OPEN, below_high=True), True, False),
    ],
)
def test_a_range_holds_the_numbers_between_its_ends_and_those_it_does_not_leave_out(
    bound, holds_low, holds_high
):
    assert [value in bound for value in (-1e-9, 0, 1e-9)] == [False, holds_low, True]
    assert [value in bound for value in (1 - 1e-9, 1, 1 + 1e-9)] == [True, holds_high, False]


def test_a_range_without_ends_holds_every_finite_number_and_no_other():
    assert -1e300 in Range()
    assert 1e300 in Range()
    assert 0.5 in Range()
    for value in (float("nan"), float("inf"), -float("inf")):
        assert value not in Range()


def test_a_range_with_a_step_holds_its_multiples_alone():
    assert [value for value in range(20) if value in Range(3, 12, step=3)] == [3, 6, 9, 12]


@pytest.mark.parametrize(
    ("bound", "numbers"),
    [
        (Range(0.25, 3), ["0.25", "3"]),
        (Range(32, 64, step=4), ["4", "32", "64"]),
        (Range(32, 64, step=2), ["2", "32", "64"]),
        (Range(2), ["2"]),
        (Range(high=2), ["2"]),
        (Range(), []),
        (Length(3, 3), ["3"]),
        (Length(3, 7), ["3", "7"]),
        (Length(3), ["3"]),
    ],
)
def test_a_bound_names_the_numbers_that_it_has(bound, numbers):
    assert re.findall(r"[\d.]+|inf", str(bound)) == numbers


def test_bounds_that_hold_other_values_have_other_names():
    closed = Range(0, 1)
    ends = [{"above_low": low, "below_high": high} for low in (0, 1) for high in (0, 1)]
    bounds = [
        Range(0),
        Range(high=0),
        Length(0),
        Length(0, 0),
        *(replace(closed, **e) for e in ends),
    ]
    assert len({str(bound) for bound in bounds}) == len(bounds)


def test_a_length_holds_texts_and_lists_from_its_least_to_its_most():
    assert ["x" * length in Length(2, 4) for length in range(1, 6)] == [0, 1, 1, 1, 0]
    assert [] not in Length(1)
    assert [0] * 1000 in Length(1)


def test_a_pattern_describes_the_whole_text():
    bound = Pattern("[a-c]+", "letters")
    assert "abc" in bound
    for text in ("", "abcd", "dabc", "abc\n"):
        assert text not in bound
    assert str(bound) == "letters"
