import numpy as np
import torch
from PIL import Image

from benchmarks.made.pictures import write_picture
from benchmarks.made.transvg import Example, crop, load_sample, mirror, normalise, pad, resize_long

BOX = np.array([10.0, 20.0, 50.0, 60.0])


def example(size_wh=(101, 67)):
    pixels = np.random.default_rng(0).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    return Example(Image.fromarray(pixels), BOX)


def test_the_box_goes_along():
    resized = resize_long(example(), 202)
    assert resized.image.size == (202, 134)
    assert resized.box.tolist() == [20, 40, 100, 120]
    assert mirror(example()).box.tolist() == [51, 20, 91, 60]


def test_a_crop_is_large_enough_and_holds_the_boxs_centre():
    whole = Example(example((700, 500)).image, np.array([600.0, 10.0, 660.0, 50.0]))
    for seed in range(20):
        cut = crop(whole, np.random.default_rng(seed))
        assert min(cut.image.size) >= 384
        assert max(cut.image.size) <= 600
        assert cut.box[2] > cut.box[0]
        assert cut.box[3] > cut.box[1]


def test_pixels_are_normalised_and_padding_is_marked():
    grey = normalise(Image.new("RGB", (5, 3), (255, 0, 0)))
    torch.testing.assert_close(
        grey[:, 0, 0], torch.tensor([2.2489, -2.0357, -1.8044]), atol=1e-3, rtol=0
    )
    square = pad(grey, 7, np.random.default_rng(0))
    assert square[3].sum() == 49 - 15
    assert not square[:3, square[3] == 1].any()


def test_a_sample_fits_the_square(tmp_path):
    path = write_picture(tmp_path / "x.jpg", 0, (120, 90))
    for seed in range(4):
        sample = load_sample(path, BOX, 640, np.random.default_rng(seed))
        assert sample.shape == (4, 640, 640)
        assert sample.isfinite().all()
