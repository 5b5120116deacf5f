import pytest

from benchmarks.made.world import WorldSizes
from benchmarks.rows.training_loop import LoopSizes, measure, outside
from tests.benchmarks.rows.checks import check_row

SMALL = (
    "train.image_px=64",
    "train.batch_images=3",
    "train.augment.scales=1",
    "train.model.visual_window=0",
    "train.loss.mining_px=32",
)


def test_the_time_between_the_steps_of_an_epoch_is_outside():
    first = [(0.0, 1.0), (1.5, 2.0), (2.0, 5.0)]
    second = [(90.0, 91.0), (92.0, 93.0), (94.0, 95.0)]
    assert list(outside([*first, *second], 2)) == pytest.approx([0.5 / 4, 2 / 4])


def test_each_epoch_is_a_round(trained):
    world = WorldSizes(5, 2, (64, 48), trained=trained)
    (row,) = measure(LoopSizes(world, epochs=2, workers=0, changes=SMALL))
    check_row(row, at_least=False, rounds=2)
    assert max(row.ratios) < 1
