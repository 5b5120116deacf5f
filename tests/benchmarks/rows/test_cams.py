"""Maps of a small network are those of pytorch-grad-cam, which is timed beside them."""

from benchmarks.rows.cams import CamSizes, measure_cams, measure_inner_layer
from tests.benchmarks.rows.checks import check_row

SMALL = CamSizes("resnet10", 67, 2)


def test_maps_of_the_last_layer_are_the_librarys():
    one, three = measure_cams(SMALL, (1, 3))
    check_row(one, at_least=True, rounds=2)
    check_row(three, at_least=True, rounds=2)
    assert max(one.difference, three.difference) < 1e-4


def test_maps_of_an_inner_layer_are_the_librarys():
    (row,) = measure_inner_layer(SMALL, 3)
    check_row(row, at_least=True, rounds=2)
    assert row.difference < 1e-4
