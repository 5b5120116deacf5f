import io

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from pipeline.reporting import pictures


def shown(content):
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


def row(number, iou):
    return {"phrase_id": number, "iou": {"reg": iou}}


def test_half_are_hits_and_half_misses():
    rows = [row(number, 0.9 if number < 5 else 0.1) for number in range(20)]
    chosen = pictures.choose_rows(rows, 6, "reg", 0.5, seed=0)
    assert [one["iou"]["reg"] for one in chosen] == [0.9] * 3 + [0.1] * 3
    assert len({one["phrase_id"] for one in chosen}) == 6


def test_misses_fill_up_where_hits_are_few():
    rows = [row(number, 0.5 if number == 7 else 0.1) for number in range(20)]
    chosen = pictures.choose_rows(rows, 6, "reg", 0.5, seed=0)
    assert [one["iou"]["reg"] for one in chosen] == [0.5] + [0.1] * 5


def test_hits_fill_up_where_misses_are_few():
    rows = [row(number, 0.9) for number in range(4)]
    assert len(pictures.choose_rows(rows, 3, "reg", 0.5, seed=0)) == 3
    assert len(pictures.choose_rows(rows, 9, "reg", 0.9, seed=0)) == 4


def test_no_rows_give_no_pictures():
    assert pictures.choose_rows([], 6, "reg", 0.5, seed=0) == []


def test_the_seed_decides():
    rows = [row(number, 0.9) for number in range(50)]
    first, again, other = (pictures.choose_rows(rows, 5, "reg", 0.5, s) for s in (1, 1, 2))
    assert first == again != other


def test_a_box_is_drawn_where_it_is_and_the_image_keeps_its_shape():
    image = np.full((100, 210, 3), 128, np.uint8)
    jpeg = pictures.draw_boxes(image, {"reg": [[50, 20, 150, 60]]})
    drawn = shown(jpeg)
    assert drawn.shape == (200, 420, 3)
    assert get_sampling(Image.open(io.BytesIO(jpeg))) == 0  # thin lines keep their colour
    orange = (drawn[..., 0] > 200) & (drawn[..., 2] < 110)
    rows, columns = np.nonzero(orange)
    np.testing.assert_allclose(
        [columns.min(), rows.min(), columns.max(), rows.max()], [100, 40, 300, 120], atol=2
    )


def test_a_one_pixel_box_at_the_border_is_drawn():
    image = np.zeros((40, 30, 3), np.uint8)
    drawn = shown(pictures.draw_boxes(image, {"gt": [[29, 39, 30, 40]]}))
    assert drawn[-3:, -3:, 1].max() > 100


def test_the_map_lies_over_the_square_around_the_image():
    image = np.full((100, 200, 3), 255, np.uint8)
    heights = np.array([[0.0, 1.0], [0.5, 0.5]])  # the lower row is padding
    drawn = shown(pictures.draw_map(image, heights))
    assert drawn.shape == (210, 420, 3)
    assert drawn[40, 20, 2] > drawn[40, 20, 0]  # cold on the left
    assert drawn[40, 400, 0] > drawn[40, 400, 2] + 100  # warm on the right


def test_a_frame_around_the_whole_picture_ends_at_its_last_pixel():
    assert pictures._grown([1, 2, 79.5, 59.5], 3, (80, 60)) == [0, 0, 79, 59]
    assert pictures._grown([10, 20, 30, 40], 3, (80, 60)) == [7, 17, 33, 43]
