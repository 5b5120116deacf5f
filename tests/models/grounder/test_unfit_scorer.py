import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.box_scorer import CamStatistics, cam_statistics
from models.grounder.priors.sentence import earlier_boxes
from models.grounder.unfit_scorer import UnfitScorer, measure_boxes, no_unfit_scores
from tests.models.grounder.tiny_grounder import B, P, R, S, tiny_config, tiny_inputs
from tests.oracles import unfit_loops

CHANNELS = 10
CONFIG = tiny_config(unfit_weight=0.7, unfit_dim=13)
CONTENTS = ((0, 0, 43, 61), (0, 0, 67, 53))  # what the tiny inputs show of the two images
PAIRS = [(image, phrase) for image in range(B) for phrase in range(P)]


def worn_inputs():
    """Return a batch with boxes at edges and on their wearers, and phrases without a map."""
    inputs = tiny_inputs(seed=4)
    inputs.boxes_xyxy[0, 1] = torch.tensor([0.3, 5.0, 42.8, 60.7])
    inputs.boxes_xyxy[1, 2] = torch.tensor([11.0, 0.5, 66.9, 17.0])
    inputs.boxes_xyxy[0, 3] = torch.tensor([7.0, 11.0, 7.2, 11.3])  # tiny beside any wearer
    inputs.box_priors[0, 1], inputs.box_priors[1, 0] = 0, 1
    return inputs


def statistics_of(inputs):
    mask = inputs.noun_mask & torch.tensor([True, False])  # the first noun alone
    return cam_statistics(inputs.cams * mask[..., None, None], mask.float(), inputs.boxes_xyxy, S)


def made_scorer():
    torch.manual_seed(2)
    scorer = UnfitScorer(CHANNELS, CONFIG)
    for parameter in scorer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return scorer, torch.randn(B, P, CHANNELS)


def measured_slowly(inputs, statistics, image, phrase, box):
    """Return the measures of one pair, by the slow loops."""
    corners = inputs.boxes_xyxy[image, box].double().tolist()
    earlier = earlier_boxes(inputs, CONFIG)
    number = int(inputs.wearers[image, phrase])
    wearer = None
    if number >= 0 and earlier.is_known[image, phrase, number]:
        pick = earlier.picks[image, phrase, number]
        wearer = inputs.boxes_xyxy[image, pick].double().tolist()
    by_map = [0.0] * 4
    if inputs.noun_mask[image, phrase, 0]:
        mean, mass, density = statistics.features[image, phrase, box].double().tolist()
        by_map = unfit_loops.map_measures(mean, mass, math.log(density + 1e-3))
    shown = CONTENTS[image]
    share = unfit_loops.area(corners) / (shown[2] * shown[3])
    colour = float(inputs.box_colours[image, phrase, box])
    colour = math.log(colour * math.sqrt(max(share, 1e-4)) + 1e-3)
    words = [float(inputs.phrase_is_plural[image, phrase]), colour]
    around = unfit_loops.geometry(corners, shown)
    return np.array([*by_map, *words, *around, *unfit_loops.on_wearer(corners, wearer)])


@pytest.mark.parametrize(("image", "phrase"), PAIRS)
def test_measures_equal_slow_ones(image, phrase):
    inputs = worn_inputs()
    statistics = statistics_of(inputs)
    found = measure_boxes(inputs, statistics, CONFIG)[image, phrase].numpy()
    for box in inputs.box_mask[image].nonzero()[:, 0].tolist():
        expected = measured_slowly(inputs, statistics, image, phrase, box)
        np.testing.assert_allclose(found[box], expected, rtol=1e-4, atol=1e-4)


def test_some_phrase_is_worn_and_some_box_touches_each_edge():
    inputs = worn_inputs()
    measures = measure_boxes(inputs, statistics_of(inputs), CONFIG)
    worn = measures[..., -1].amax(-1)
    assert {0.0, 1.0} == set(worn.flatten().tolist())
    edges = measures[..., 10:14][inputs.box_mask[:, None].expand(B, P, R)]
    assert edges.amax(0).tolist() == [1, 1, 1, 1]
    assert edges.amin(0).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("image", "phrase"), PAIRS)
def test_a_score_equals_the_slow_one_and_counts_where_no_label_fits(image, phrase):
    inputs, (scorer, states) = worn_inputs(), made_scorer()
    statistics = statistics_of(inputs)
    scores = scorer(inputs, statistics, states, CONFIG)
    weights = {name: value.double().numpy() for name, value in scorer.state_dict().items()}
    is_unfit = (image, phrase) in {(0, 1), (1, 0)}
    for box in inputs.box_mask[image].nonzero()[:, 0].tolist():
        measured = measured_slowly(inputs, statistics, image, phrase, box)
        expected = unfit_loops.score(weights, measured, states[image, phrase].double().numpy())
        assert scores.blind[image, phrase, box].item() == pytest.approx(
            expected, rel=1e-3, abs=1e-3
        )
        counted = 0.7 * expected * is_unfit
        assert scores.logits[image, phrase, box].item() == pytest.approx(
            counted, rel=1e-3, abs=1e-3
        )


def test_at_first_every_box_has_the_score_zero():
    inputs = worn_inputs()
    scores = UnfitScorer(CHANNELS, CONFIG)(
        inputs, statistics_of(inputs), torch.randn(B, P, CHANNELS), CONFIG
    )
    assert not scores.blind.any()
    assert scores.blind.shape == scores.logits.shape == inputs.box_priors.shape


def test_other_losses_do_not_reach_it_and_it_does_not_reach_the_text_encoder():
    inputs, (scorer, states) = worn_inputs(), made_scorer()
    states.requires_grad_(True)
    scores = scorer(inputs, statistics_of(inputs), states, CONFIG)
    assert not scores.logits.requires_grad
    scores.blind.sum().backward()
    assert states.grad is None
    assert all(parameter.grad is not None for parameter in scorer.parameters())


def test_it_reads_no_label():
    inputs, (scorer, states) = worn_inputs(), made_scorer()
    others = replace(
        inputs, box_priors=inputs.box_priors.flip(-1), box_labels=inputs.box_labels.flip(-1)
    )
    statistics = statistics_of(inputs)
    scores, same = (scorer(some, statistics, states, CONFIG) for some in (inputs, others))
    assert scores.blind.equal(same.blind)


def test_without_boxes_there_is_nothing_to_score_but_every_weight_has_a_gradient():
    inputs, (scorer, states) = tiny_inputs(boxes=0), made_scorer()
    nothing = torch.zeros(B, P, 0)
    empty = CamStatistics(torch.zeros(B, P, 0, 3), nothing, torch.ones(B, P, 1, dtype=torch.bool))
    scores = scorer(inputs, empty, states, CONFIG)
    assert scores.blind.shape == (B, P, 0)
    scores.blind.sum().backward()
    assert all(parameter.grad is not None for parameter in scorer.parameters())


def test_a_grounder_that_learns_none_gives_zero_to_every_pair():
    inputs = tiny_inputs()
    scores = no_unfit_scores(inputs)
    assert scores.logits.equal(torch.zeros(B, P, R))
    assert scores.blind.equal(torch.zeros(B, P, R))
