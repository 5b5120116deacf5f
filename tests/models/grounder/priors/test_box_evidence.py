import math

import pytest
import torch

from models.grounder.priors.box_evidence import area_shares, log_colour, log_scores
from tests.models.grounder.tiny_grounder import B, tiny_inputs


def test_a_score_counts_by_its_logarithm_and_none_is_minus_infinity():
    inputs = tiny_inputs()
    inputs.box_scores[0, :3] = torch.tensor([1.0, 0.25, 0.0])
    found = log_scores(inputs)
    assert found.shape == (B, 1, 5)
    torch.testing.assert_close(found[0, 0, :3], torch.tensor([1.0, 0.25, 0.001]).log())


def test_an_area_is_a_share_of_what_is_seen_of_the_image():
    inputs = tiny_inputs()  # image 0 is 61 x 43, image 1 53 x 67
    inputs.boxes_xyxy[:, 0] = torch.tensor([2.0, 3, 7, 14])
    inputs.boxes_xyxy[:, 1] = torch.tensor([2.0, 3, 2, 14])  # without area
    found = area_shares(inputs)
    assert found[:, 0].tolist() == pytest.approx([55 / (61 * 43), 55 / (53 * 67)])
    assert found[:, 1].tolist() == pytest.approx([1e-4, 1e-4])


def test_a_picture_may_be_a_single_pixel():
    inputs = tiny_inputs()
    inputs.pixel_mask[:] = False
    inputs.pixel_mask[1, 3, 2] = True
    inputs.boxes_xyxy[:, 0] = torch.tensor([2.0, 3, 2.5, 4])
    assert area_shares(inputs)[1, 0].item() == 0.5


def test_without_a_pixel_or_a_box_areas_are_finite():
    inputs = tiny_inputs(boxes=0)
    assert area_shares(inputs).shape == (B, 0)
    assert (
        log_colour(inputs.box_colours, inputs.box_mask, area_shares(inputs)[:, None]).numel() == 0
    )
    inputs = tiny_inputs()
    inputs.pixel_mask[:] = False
    assert area_shares(inputs).isfinite().all()


def test_colour_is_measured_by_share_and_extent_where_some_box_has_it():
    inputs = tiny_inputs()
    colours = torch.zeros(B, 2, 5)
    colours[0, 0, :2] = torch.tensor([0.5, 0.1])
    colours[1, 0, 4] = 1.0  # image 1 has three boxes
    area = torch.tensor([0.04, 0.25, 0.01, 1.0, 0.09]).expand(B, 1, 5)
    found = log_colour(colours, inputs.box_mask, area)
    expected = [0.5 * 0.2, 0.1 * 0.5, 0, 0, 0]
    assert found[0, 0].tolist() == pytest.approx([math.log(x + 1e-3) for x in expected])
    assert not found[0, 1].any()
    assert not found[1].any()
