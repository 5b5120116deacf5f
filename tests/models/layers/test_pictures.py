import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from models.layers.pictures import change_colours, to_inputs

CPU = torch.device("cpu")
B, S, H, W = 2, 11, 5, 7  # pictures of (H, W) somewhere in the square, but for the first
CORNER = (3, 2)


def squares(seed=0):
    """Return pictures in their squares, uint8 (B, 3, S, S), and what of them is no padding."""
    mask = torch.zeros(B, S, S, dtype=torch.bool)
    mask[0] = True
    mask[1, CORNER[0] : CORNER[0] + H, CORNER[1] : CORNER[1] + W] = True
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (B, 3, S, S), generator=draw).byte()
    return pixels * mask[:, None], mask


def contents(images):
    return images[:1], images[1:, :, CORNER[0] : CORNER[0] + H, CORNER[1] : CORNER[1] + W]


def only(step, factor):
    """Return factors and order that change one thing, in a step of its own for each picture."""
    factors = torch.ones(B, 3)
    factors[:, step] = torch.tensor([factor, 2 - factor])
    return factors, torch.tensor([[0, 1, 2], [2, 0, 1]])


@pytest.mark.parametrize("factor", [0.6, 1.35])
@pytest.mark.parametrize(("step", "name"), [(0, "brightness"), (1, "contrast"), (2, "saturation")])
def test_each_change_is_torchvisions_on_what_is_no_padding(step, name, factor):
    pixels, mask = squares()
    images = pixels / 255
    factors, order = only(step, factor)
    found = contents(change_colours(images, mask, factors, order))
    for row, content in enumerate(contents(images)):
        expected = getattr(tv, f"adjust_{name}")(content, float(factors[row, step]))
        torch.testing.assert_close(found[row], expected, rtol=0, atol=1e-3)  # its greys are rounder


def test_each_picture_has_its_own_order():
    pixels, mask = squares()
    factors, orders = torch.tensor([[0.6, 1.4, 0.7]]).expand(B, 3), [[2, 0, 1], [1, 2, 0]]
    found = contents(change_colours(pixels / 255, mask, factors, torch.tensor(orders)))
    names = ("brightness", "contrast", "saturation")
    for row, content in enumerate(contents(pixels / 255)):
        for step in orders[row]:
            content = getattr(tv, f"adjust_{names[step]}")(content, float(factors[row, step]))
        torch.testing.assert_close(found[row], content, rtol=0, atol=2e-3)


def test_one_pixel_is_its_own_mean_and_padding_alone_stays_black():
    mask = torch.zeros(B, 3, 3, dtype=torch.bool)
    mask[0, 1, 2] = True
    images = torch.rand(B, 3, 3, 3) * mask[:, None]
    contrast, saturation = (change_colours(images, mask, *only(step, 0.6)) for step in (1, 2))
    torch.testing.assert_close(contrast, saturation)
    assert not torch.allclose(contrast[0], images[0])
    assert contrast[1].eq(0).all()


def test_padding_stays_black_and_numbers_stay_between_0_and_1():
    pixels, mask = squares()
    changed = change_colours(pixels / 255, mask, torch.full((B, 3), 0.5), only(0, 1)[1])
    assert not changed[~mask[:, None].expand_as(changed)].any()
    loud = change_colours(pixels / 255, mask, torch.full((B, 3), 1.4), only(0, 1)[1])
    assert (loud.min(), loud.max()) == (0, 1)


def batch(factors):
    pixels, mask = squares()
    order = torch.tensor([[2, 1, 0], [0, 2, 1]])
    return {
        "images": pixels,
        "pixel_mask": mask,
        "colour_factors": factors,
        "colour_order": order,
        "phrase_mask": torch.ones(B, 3, dtype=torch.bool),
    }


def test_clean_pictures_are_the_bytes_over_255_to_the_last_bit():
    given = batch(torch.full((B, 3), 0.8))
    made = to_inputs(given, CPU)
    expected = given["images"].numpy() / np.float32(255)
    np.testing.assert_array_equal(made["clean_images"], expected)
    assert made["images"].dtype == torch.float32
    assert (made["images"] - made["clean_images"]).abs().max() > 0.05
    assert set(made) == {"images", "clean_images", "pixel_mask", "phrase_mask"}


def test_factors_of_one_change_no_bit_beside_a_picture_that_changes():
    factors = torch.ones(B, 3)
    unchanged = to_inputs(batch(factors), CPU)
    assert torch.equal(unchanged["images"], unchanged["clean_images"])
    doubled = to_inputs(batch(2 * factors), CPU)
    assert not torch.equal(doubled["images"], doubled["clean_images"])
    factors[1] = 0.7
    made = to_inputs(batch(factors), CPU)
    assert torch.equal(made["images"][0], made["clean_images"][0])
    assert not torch.equal(made["images"][1], made["clean_images"][1])


def test_pictures_that_are_numbers_stay_what_they_are():
    given = {"images": torch.rand(B, 3, S, S), "clean_images": torch.rand(B, 3, S, S)}
    assert all(torch.equal(value, given[name]) for name, value in to_inputs(given, CPU).items())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_makes_the_numbers_of_a_cpu():
    given = batch(torch.tensor([[0.6, 1.3, 0.8], [1.4, 0.7, 1.2]]))
    for name, value in to_inputs(given, torch.device("cuda")).items():
        assert value.device.type == "cuda"
        torch.testing.assert_close(value.cpu(), to_inputs(given, CPU)[name], rtol=0, atol=1e-5)
