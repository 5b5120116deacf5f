"""The oracle of whole priors is in test_prior; here each part is seen alone."""

import itertools
from dataclasses import replace

import torch

from models.grounder.priors.label import label_logits, several_for_one
from tests.models.grounder.tiny_grounder import B, P, R, tiny_config, tiny_inputs

CONFIG = tiny_config(
    prior_weight=1.5, prior_floor=0.02, prior_score=0.0, prior_area=0.0, prior_number=0.7
)


def test_a_better_fit_counts_by_its_logarithm():
    inputs = replace(tiny_inputs(), box_is_merged=torch.zeros(B, R, dtype=torch.bool))
    one = torch.zeros(B, P, dtype=torch.bool)
    fits = torch.tensor([0.0, 0.18, 0.38, 0.78, 0.98]).expand(B, P, R)
    expected = 1.5 * torch.tensor([0.02, 0.2, 0.4, 0.8, 1.0]).log()
    torch.testing.assert_close(label_logits(fits, one, inputs, CONFIG), expected.expand(B, P, R))


def test_confidence_and_share_of_the_image_count_by_their_logarithms():
    inputs = replace(tiny_inputs(), box_is_merged=torch.zeros(B, R, dtype=torch.bool))
    fits, one = torch.full((B, P, R), 0.98), torch.zeros(B, P, dtype=torch.bool)
    scores = inputs.box_scores.double().clamp(min=1e-3).log()
    sides = (inputs.boxes_xyxy[..., 2:] - inputs.boxes_xyxy[..., :2]).double().clamp(min=0)
    shares = sides[..., 0] * sides[..., 1] / inputs.pixel_mask.sum((1, 2))[:, None]
    config = replace(CONFIG, prior_score=0.3, prior_area=-0.4)
    expected = 0.3 * scores - 0.4 * shares.clamp(min=1e-4).log()
    found = label_logits(fits, one, inputs, config).double()
    torch.testing.assert_close(found, expected[:, None].expand(B, P, R), rtol=1e-5, atol=1e-5)


def test_one_for_several_and_several_for_one_cost_the_same_in_two_places():
    inputs = tiny_inputs()
    fits = torch.full((B, 3, R), 0.98)
    several = torch.tensor([[True, False, False], [False, True, False]])
    inputs.box_is_merged[1] = ~inputs.box_is_merged[0]
    logits = label_logits(fits, several, inputs, CONFIG)
    prices = several_for_one(inputs, CONFIG, several)
    for image, noun in itertools.product(range(B), range(3)):
        merged = inputs.box_is_merged[image].float()
        expected = 0.7 * (merged - 1) if several[image, noun] else torch.zeros(R)
        torch.testing.assert_close(logits[image, noun], expected)
        price = torch.zeros(R) if several[image, noun] else 0.7 * merged
        torch.testing.assert_close(prices[image, noun], price)
