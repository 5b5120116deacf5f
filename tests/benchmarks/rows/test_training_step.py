from benchmarks.rows.training_step import (
    StepSizes,
    TokenCounts,
    measure_mining,
    measure_phrases,
    measure_reg_only,
)
from tests.benchmarks.rows.checks import check_row

SMALL = (
    "train.image_px=64",
    "train.model.depth=1+1",
    "train.model.visual_window=0",
    "train.language.hidden=16",
    "train.language.heads=2",
    "train.loss.mining_px=32",
)


def test_a_layer_of_one_row_has_the_values_of_the_full_one():
    (row,) = measure_reg_only(TokenCounts(visual=67, own=13, rounds=2))
    check_row(row, at_least=True, rounds=2)
    assert row.difference < 1e-5


def test_steps_of_one_and_of_several_phrases_are_compared():
    (row,) = measure_phrases(StepSizes(SMALL, "resnet10", images=2, phrases=3, rounds=2))
    check_row(row, at_least=True, rounds=2)


def test_mining_is_a_part_of_a_step():
    (row,) = measure_mining(StepSizes(SMALL, "resnet10", images=1, phrases=2, rounds=2))
    check_row(row, at_least=False, rounds=2)
    assert row.middle < 1
