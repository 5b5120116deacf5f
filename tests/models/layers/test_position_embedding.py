import math

import pytest
import torch

from models.layers.position_embedding import grid_position_embedding, sequence_position_embedding


def test_a_cell_holds_sine_and_cosine_of_its_centre_y_first():
    embedding = grid_position_embedding(torch.ones(1, 3, 5, dtype=torch.bool), 8)
    y, x = 2 * math.pi * 1.5 / 3, 2 * math.pi * 3.5 / 5
    slow = 10_000.0 ** (2 / 4)
    expected = [f(v / s) for v in (y, x) for s in (1.0, slow) for f in (math.sin, math.cos)]
    torch.testing.assert_close(embedding[0, :, 1, 3], torch.tensor(expected))


def test_the_embedding_of_an_image_does_not_depend_on_its_padding():
    alone = torch.ones(1, 3, 5, dtype=torch.bool)
    padded = torch.zeros(1, 7, 11, dtype=torch.bool)
    padded[:, :3, :5] = True
    embedding = grid_position_embedding(padded, 12)[:, :, :3, :5]
    torch.testing.assert_close(embedding, grid_position_embedding(alone, 12))


def test_a_single_cell_lies_in_the_middle():
    mask = torch.zeros(1, 2, 5, dtype=torch.bool)
    mask[0, 0, 0] = True
    found = grid_position_embedding(mask, 4)[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, -1, 0, -1]), rtol=0, atol=1e-6)  # of pi


def test_an_image_without_a_real_cell_gets_finite_numbers():
    assert grid_position_embedding(torch.zeros(1, 2, 3, dtype=torch.bool), 4).isfinite().all()


def test_channels_that_two_axes_cannot_share_are_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        grid_position_embedding(torch.ones(1, 2, 3, dtype=torch.bool), 6)


def test_token_seven_holds_sine_and_cosine_of_seven():
    embedding = sequence_position_embedding(11, 6, torch.device("cpu"))
    scales = [10_000.0 ** (i / 6) for i in (0, 2, 4)]
    expected = [f(7 / scale) for scale in scales for f in (math.sin, math.cos)]
    torch.testing.assert_close(embedding[7], torch.tensor(expected))


def test_an_embedding_lies_on_the_device_it_is_for():
    meta = torch.device("meta")  # holds no numbers, every machine has it
    mask = torch.ones(1, 3, 5, dtype=torch.bool, device=meta)
    found = sequence_position_embedding(11, 6, meta), grid_position_embedding(mask, 8)
    assert [embedding.device for embedding in found] == [meta] * 2
