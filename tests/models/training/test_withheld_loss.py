from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.priors.prior import prior_logits
from models.training.withheld_loss import withheld_loss
from tests.models.grounder.test_unfit_scorer import made_scorer
from tests.models.grounder.tiny_grounder import SPEC, B, P, R, tiny_grounder, tiny_inputs
from tests.oracles import unfit_loops

FITTING = [(0, 0), (0, 2), (1, 0)]  # image 1 has no third phrase


def batch():
    """Return a batch of which two phrases of image 0 and one of image 1 fit a label."""
    inputs = tiny_inputs()
    inputs.box_priors[0, 1], inputs.box_priors[1, 1] = 0, 1
    return inputs


def test_the_loss_is_the_mean_divergence_of_a_pupil_without_the_label():
    inputs = batch()
    outputs = tiny_grounder()(inputs)
    blind_prior = prior_logits(replace(inputs, box_priors=torch.zeros(B, P, R)), SPEC)
    expected = []
    for image, phrase in FITTING:
        real = inputs.box_mask[image]
        with_label, cam, without, learned = (
            part[image, phrase, real].detach().double().numpy()
            for part in (
                outputs.prior_logits,
                outputs.cam_logits,
                blind_prior,
                outputs.blind_logits,
            )
        )
        pupil = (without + cam + learned).tolist()
        expected.append(unfit_loops.divergence((with_label + cam).tolist(), pupil))
    assert min(expected) > 0.01
    loss = withheld_loss(outputs, inputs, SPEC)
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_learned_score_without_labels_alone_is_taught():
    inputs, grounder = batch(), tiny_grounder()
    withheld_loss(grounder(inputs), inputs, SPEC).backward()
    reached = {name.split(".")[0] for name, p in grounder.named_parameters() if p.grad is not None}
    assert reached == {"unfit_scorer"}


def test_a_perfect_pupil_costs_nothing():
    inputs = batch()
    outputs = tiny_grounder()(inputs)
    blind_prior = prior_logits(replace(inputs, box_priors=torch.zeros(B, P, R)), SPEC)
    perfect = replace(outputs, blind_logits=outputs.prior_logits - blind_prior + 3.0)
    assert withheld_loss(perfect, inputs, SPEC).item() == pytest.approx(0, abs=1e-5)


def test_without_a_label_that_fits_or_a_score_to_teach_it_is_zero():
    inputs = batch()
    inputs.box_priors[:] = 0
    assert withheld_loss(tiny_grounder()(inputs), inputs, SPEC) == 0
    assert withheld_loss(tiny_grounder()(tiny_inputs(boxes=0)), tiny_inputs(boxes=0), SPEC) == 0
    untaught = tiny_grounder(unfit_weight=0.0)
    assert withheld_loss(untaught(batch()), batch(), untaught.spec) == 0


def test_it_teaches_to_find_what_labels_would_have_told():
    inputs, (scorer, states) = batch(), made_scorer()
    outputs = tiny_grounder()(inputs)
    optimizer = torch.optim.Adam(scorer.parameters(), lr=0.02)
    losses = []
    for _ in range(120):
        blind = scorer(inputs, states, 0.7).blind
        loss = withheld_loss(replace(outputs, blind_logits=blind), inputs, SPEC)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    blind_prior = prior_logits(replace(inputs, box_priors=torch.zeros(B, P, R)), SPEC)
    hidden = ~inputs.box_mask[:, None]
    told, guessed = (
        (prior + outputs.cam_logits + learned).masked_fill(hidden, -1e9).argmax(-1)
        for prior, learned in ((outputs.prior_logits, 0.0), (blind_prior, blind))
    )
    assert all(told[pair] == guessed[pair] for pair in FITTING)
