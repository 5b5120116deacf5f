import numpy as np
import pytest
from PIL import Image, ImageColor

from pipeline.images.overlays import tint
from pipeline.serving.drawing import COLOUR, EDGE, draw_found, write_drawing
from pipeline.serving.found import Found
from pipeline.serving.rows import Request

PIXELS = np.random.default_rng(0).integers(0, 200, (60, 90, 3)).astype(np.uint8)
BOX = (20.0, 10.0, 70.0, 40.0)


def found(map_cells=None):
    return Found("a dog", BOX, None, None, (), (), (60, 90), map_cells)


def test_the_outline_is_the_box_and_all_else_stays():
    drawing = draw_found(PIXELS, found())
    is_line = (drawing == ImageColor.getrgb(COLOUR)).all(-1)
    rows, columns = np.flatnonzero(is_line.any(1)), np.flatnonzero(is_line.any(0))
    assert (columns[0], rows[0], columns[-1], rows[-1]) == BOX
    outside = np.ones((60, 90), bool)
    outside[8:43, 18:73] = False
    np.testing.assert_array_equal(drawing[outside], PIXELS[outside])


@pytest.mark.parametrize(("longer_side", "width"), [(90, 2), (750, 5)])
def test_a_line_is_a_150th_of_the_longer_side_and_has_an_edge_within(longer_side, width):
    colours = (COLOUR,) * width + (EDGE,) * 2 + ("#505050",)
    drawing = draw_found(np.full((60, longer_side, 3), 0x50, np.uint8), found())
    expected = [ImageColor.getrgb(one) for one in colours]
    np.testing.assert_array_equal(drawing[25, 20 : 20 + len(colours)], expected)


def test_with_a_map_the_picture_is_tinted():
    cells = np.linspace(0, 1, 9, dtype=np.float32).reshape(3, 3)
    one = found(cells)
    expected = tint(PIXELS, one.heat_map)
    np.testing.assert_array_equal(draw_found(PIXELS, one)[:8], expected[:8])


@pytest.mark.parametrize(
    ("image", "phrase", "name"),
    [
        ("p/kitchen.jpg", "the red cup!", "00007_kitchen_the-red-cup.png"),
        ("x.png", "a/b \\ ../c", "00007_x_a-b-c.png"),
        ("x.png", "w" * 300, f"00007_x_{'w' * 58}.png"),
        ("x.png", "X-ray X !", "00007_x_X-ray-X.png"),
        ("x.png", "\u2603\ufe0f", "00007_x_.png"),
    ],
)
def test_a_drawing_is_named_by_number_picture_and_phrase(tmp_path, image, phrase, name):
    path = write_drawing(tmp_path / "new", 7, Request(image, phrase), PIXELS)
    assert path == tmp_path / "new" / name
    np.testing.assert_array_equal(np.asarray(Image.open(path)), PIXELS)
