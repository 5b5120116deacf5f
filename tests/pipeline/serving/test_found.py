import numpy as np

from pipeline.serving.found import Found


def found(map_cells):
    return Found("a dog", (0.0, 0.0, 1.0, 1.0), None, None, (), (), (30, 70), map_cells)


def test_the_heat_map_has_the_size_of_the_picture_and_peaks_where_the_map_does():
    cells = np.zeros((7, 7), np.float32)
    cells[1, 5] = 1  # cells of 10 pixels
    heat_map = found(cells).heat_map
    assert (heat_map.shape, heat_map.dtype) == ((30, 70), np.float32)
    y, x = np.unravel_index(heat_map.argmax(), heat_map.shape)
    assert 10 <= y < 20
    assert 50 <= x < 60


def test_a_phrase_whose_noun_has_no_map_has_no_heat_map():
    assert found(None).heat_map is None
