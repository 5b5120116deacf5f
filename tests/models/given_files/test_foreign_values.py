import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.given_files.foreign_values import (
    MOST_CHARACTERS,
    MOST_VALUES,
    ShownError,
    ValueBudget,
    is_finite_number,
    printable,
    short_text,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


def test_a_budget_is_as_many_values_as_bytes_and_never_small():
    budget = ValueBudget(MOST_VALUES + 7)
    budget.spend(MOST_VALUES + 7)
    with pytest.raises(ValueError, match="many"):
        budget.spend(1)
    ValueBudget(0).spend(MOST_VALUES)


def test_half_of_a_character_is_written_as_json_writes_it():
    assert printable("a \ud800 café \udfff") == "a \\ud800 café \\udfff"


def test_of_a_long_text_the_beginning_is_shown():
    assert printable("abcdé", 5) == "abcdé"
    assert printable("abcdé", 4) == "abcd ..."
    assert printable("\ud800b", 4) == "\\ud8 ..."


def test_the_message_of_an_error_is_printable_and_of_a_bounded_length():
    assert str(ShownError("a.json: \ud800")) == "a.json: \\ud800"
    assert str(ShownError("a" * MOST_CHARACTERS + "b")) == "a" * MOST_CHARACTERS + " ..."


@given(VALUES)
def test_any_value_has_a_short_text(value):
    assert len(short_text(value)) < 5000


def test_values_without_end_have_one_too():
    in_itself = []
    in_itself.append(in_itself)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    shared = [1] * 10
    for _ in range(12):
        shared = [shared] * 10
    for value in (in_itself, deep, shared, 10**5000, [10**5000]):
        assert len(short_text(value)) < 5000
    while deep:
        deep = deep[0]  # its own end would take as many steps down


@pytest.mark.parametrize("value", [0, -3, 2.5, -sys.float_info.max, 10**300])
def test_numbers_that_a_float_holds_are_finite(value):
    assert is_finite_number(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, True, "1", None, [1]])
def test_other_values_are_no_finite_numbers(value):
    assert not is_finite_number(value)
