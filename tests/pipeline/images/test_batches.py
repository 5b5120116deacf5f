import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from pipeline.images.batches import image_batches, read_squashed
from pipeline.images.images import BadImageError


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(5)]
    for index, path in enumerate(paths):
        pixels = np.full((13, 7 + index, 3), (50 * index, 255, 0), np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_images_come_in_order_in_full_batches(files, workers):
    batches = list(image_batches(files, 11, 2, workers))
    assert [batch.num_real for batch in batches] == [2, 2, 1]
    assert {batch.images.shape for batch in batches} == {(2, 3, 11, 11)}
    reds = [batch.images[:, 0, 5, 5] for batch in batches]
    assert np.concatenate(reds)[:5] == pytest.approx([0, 50 / 255, 100 / 255, 150 / 255, 200 / 255])


def test_what_fills_up_the_last_batch_is_black(files):
    last = list(image_batches(files, 11, 2, 1))[-1]
    assert last.images.dtype == np.float32
    assert not last.images[1].any()


@pytest.mark.parametrize("batch_images", [1, 2])
def test_no_images_are_one_batch_of_none(batch_images):
    batches = list(image_batches([], 11, batch_images, 1))
    shape = (batch_images, 3, 11, 11)
    assert [(batch.num_real, batch.images.shape) for batch in batches] == [(0, shape)]


def test_an_image_is_squashed_not_cropped(tmp_path):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    pixels[15:, :20, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    square = read_squashed(tmp_path / "wide.png", 8)
    assert square[0].round().tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]] * 6 + [[1] * 8] * 2


def test_squashing_averages_what_one_pixel_covers(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (23, 41, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    planes = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    expected = functional.interpolate(planes, (7, 7), mode="bilinear", antialias=True)[0].numpy()
    np.testing.assert_allclose(read_squashed(tmp_path / "a.png", 7), expected, atol=1.01 / 255)


def test_a_broken_image_is_named(tmp_path):
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(BadImageError, match=r"x\.png"):
        list(image_batches([tmp_path / "x.png"], 11, 2, 1))
