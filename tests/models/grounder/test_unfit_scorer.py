from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.unfit_scorer import UnfitScorer, measure_geometry, no_unfit_scores
from tests.models.grounder.tiny_grounder import B, P, R, tiny_config, tiny_inputs
from tests.oracles import unfit_loops

CHANNELS = 10
CONFIG = tiny_config(unfit_dim=13)
CONTENTS = ((0, 0, 43, 61), (0, 0, 67, 53))  # what the tiny inputs show of the two images
PAIRS = [(image, phrase) for image in range(B) for phrase in range(P)]


def edged_inputs():
    """Return a batch with boxes at every edge, one below a pixel, and two phrases without a fit."""
    inputs = tiny_inputs(seed=4)
    inputs.boxes_xyxy[0, 1] = torch.tensor([0.3, 5.0, 42.8, 60.7])
    inputs.boxes_xyxy[1, 2] = torch.tensor([11.0, 0.5, 66.9, 17.0])
    inputs.boxes_xyxy[0, 3] = torch.tensor([7.0, 11.0, 7.2, 13.3])
    inputs.box_priors[0, 1], inputs.box_priors[1, 0] = 0, 1
    return inputs


def made_scorer():
    torch.manual_seed(2)
    scorer = UnfitScorer(CHANNELS, CONFIG)
    for parameter in scorer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return scorer, torch.randn(B, P, CHANNELS)


def measured_slowly(inputs, image, box):
    return unfit_loops.geometry(inputs.boxes_xyxy[image, box].double().tolist(), CONTENTS[image])


def real_boxes(inputs, image):
    return inputs.box_mask[image].nonzero()[:, 0].tolist()


@pytest.mark.parametrize("image", range(B))
def test_measures_equal_slow_ones(image):
    inputs = edged_inputs()
    found = measure_geometry(inputs)[image].numpy()
    for box in real_boxes(inputs, image):
        np.testing.assert_allclose(found[box], measured_slowly(inputs, image, box), atol=1e-5)


def test_a_box_without_a_side_has_finite_measures():
    inputs = edged_inputs()
    inputs.boxes_xyxy[0, 2] = torch.tensor([9.0, 9.0, 9.0, 30.0])
    assert measure_geometry(inputs).isfinite().all()


@pytest.mark.parametrize(("image", "phrase"), PAIRS)
def test_a_score_equals_the_slow_one_and_counts_where_no_label_fits(image, phrase):
    inputs, (scorer, states) = edged_inputs(), made_scorer()
    scores = scorer(inputs, states, 0.7)
    weights = {name: value.double().numpy() for name, value in scorer.state_dict().items()}
    is_unfit = (image, phrase) in {(0, 1), (1, 0)}
    for box in real_boxes(inputs, image):
        measured = measured_slowly(inputs, image, box)
        expected = unfit_loops.score(weights, measured, states[image, phrase].double().numpy())
        found, counted = scores.blind[image, phrase, box], scores.logits[image, phrase, box]
        assert found.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert counted.item() == pytest.approx(0.7 * expected * is_unfit, rel=1e-4, abs=1e-4)


def test_at_first_every_box_has_the_score_zero():
    inputs = edged_inputs()
    scorer = UnfitScorer(CHANNELS, CONFIG)
    scores = scorer(inputs, torch.randn(B, P, CHANNELS), 0.7)
    assert scorer.last.weight.shape == (1, 13)
    assert not scores.blind.any()
    assert scores.blind.shape == scores.logits.shape == inputs.box_priors.shape


def test_other_losses_do_not_reach_it_and_it_does_not_reach_the_text_encoder():
    inputs, (scorer, states) = edged_inputs(), made_scorer()
    states.requires_grad_(True)
    scores = scorer(inputs, states, 0.7)
    assert not scores.logits.requires_grad
    scores.blind.sum().backward()
    assert states.grad is None
    assert all(parameter.grad is not None for parameter in scorer.parameters())


def test_it_reads_no_label():
    inputs, (scorer, states) = edged_inputs(), made_scorer()
    others = replace(
        inputs, box_priors=inputs.box_priors.flip(-1), box_labels=inputs.box_labels.flip(-1)
    )
    scores, same = (scorer(some, states, 0.7) for some in (inputs, others))
    assert scores.blind.equal(same.blind)


def test_without_boxes_there_is_nothing_to_score_but_every_weight_has_a_gradient():
    inputs, (scorer, states) = tiny_inputs(boxes=0), made_scorer()
    scores = scorer(inputs, states, 0.7)
    assert scores.blind.shape == (B, P, 0)
    scores.blind.sum().backward()
    assert all(parameter.grad is not None for parameter in scorer.parameters())


def test_a_grounder_that_learns_none_gives_zero_to_every_pair():
    scores = no_unfit_scores(tiny_inputs())
    assert scores.logits.equal(torch.zeros(B, P, R))
    assert scores.blind.equal(torch.zeros(B, P, R))
