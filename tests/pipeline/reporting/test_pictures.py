import io

import numpy as np
from PIL import Image, ImageColor
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


def test_each_kind_of_box_has_its_colour_and_the_first_lies_on_top():
    image = np.full((210, 420, 3), 128, np.uint8)
    boxes = {name: [[10, 10, 400, 200]] for name in ("gt", "reg", "proposal")}
    places = {"gt": [], "reg": [], "proposal": []}
    for number, name in enumerate(places):
        places[name] = [[20 + 130 * number, 30, 110 + 130 * number, 190]]
    drawn = shown(pictures.draw_boxes(image, places))
    for name, [(left, *_)] in places.items():
        colour = ImageColor.getrgb(pictures.COLOURS[name])
        np.testing.assert_allclose(drawn[100, left + 1], colour, atol=25)
        np.testing.assert_allclose(drawn[100, left - 1], ImageColor.getrgb("#101820"), atol=60)
        np.testing.assert_allclose(drawn[100, left + 8], [128] * 3, atol=12)
    over = shown(pictures.draw_boxes(image, boxes))
    np.testing.assert_allclose(over[100, 11], ImageColor.getrgb(pictures.COLOURS["gt"]), atol=25)


def test_a_picture_of_a_line_keeps_a_pixel():
    image = np.full((1, 900, 3), 128, np.uint8)
    assert shown(pictures.draw_boxes(image, {})).shape == (1, 420, 3)
    tall = pictures.draw_map(image.transpose(1, 0, 2), np.ones((1, 1)))
    assert shown(tall).shape == (420, 1, 3)


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
