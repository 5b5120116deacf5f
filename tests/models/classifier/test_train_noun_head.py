import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.optim.optimizer import register_optimizer_step_pre_hook

from models.classifier.train_noun_head import (
    NounHeadFit,
    average_precisions,
    base_rate_logits,
    fit_noun_head,
    noun_loss,
)
from models.given_files.safe_load import NonFiniteError
from tests.oracles import cam_loops as loops

FIT = NounHeadFit(
    epochs=40,
    learning_rate=0.05,
    weight_decay=0.0,
    negative_weight=0.2,
    batch_images=16,
    seed=0,
)
NOUNS = ("cat", "dog", "man")


def world(num_images=96, num_features=7):
    """Nouns that are said when one feature is high, each in other units."""
    noise = torch.Generator().manual_seed(1)
    features = torch.rand(num_images, num_features, generator=noise)
    said = features[:, :3] > torch.tensor([0.5, 0.8, 0.3])
    return features * torch.tensor([1.0, 100.0, 0.01, 1, 1, 1, 1]) + 5, said


def fitted(features, said, **changes):
    return fit_noun_head(features, said, NOUNS, replace(FIT, **changes), watch=iter)


def logits_of(head, features):
    return features @ head.weight.T + head.bias


def test_a_head_learns_which_feature_speaks_for_which_noun():
    features, said = world()
    head = fitted(features, said)
    precisions = average_precisions(logits_of(head, features), said)
    assert head.weight.shape == (3, 7)
    assert (precisions > 0.97).all()


def test_a_head_that_has_seen_nothing_says_how_frequent_a_noun_is():
    features, said = world()
    head = fitted(features, said, learning_rate=0.0)
    assert head.weight.abs().max() == 0
    torch.testing.assert_close(head.bias, base_rate_logits(said, 0.2))


def test_the_prior_is_the_constant_of_least_loss():
    said = torch.tensor([[True]] * 30 + [[False]] * 170)
    grid = torch.arange(-4, 4, 0.01)
    losses = [noun_loss(x.expand(200, 1), said.float(), 0.2).item() for x in grid]
    best = grid[int(np.argmin(losses))].item()
    assert base_rate_logits(said, 0.2).item() == pytest.approx(best, abs=0.03)
    assert base_rate_logits(said, 0.2).item() == pytest.approx(math.log(30.5 / (0.2 * 170.5)))


@pytest.mark.parametrize("value", [True, False])
def test_a_noun_of_all_or_no_images_has_a_finite_prior(value):
    assert base_rate_logits(torch.full((9, 1), value), 0.2).isfinite().all()


def test_the_loss_is_a_weighted_cross_entropy():
    logits = torch.tensor([[0.3, -1.2, 2.0], [0.1, 0.4, -3.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    probs, t = expit(logits.double().numpy()), targets.double().numpy()
    losses = -(t * np.log(probs) + 0.2 * (1 - t) * np.log(1 - probs))
    assert noun_loss(logits, targets, 0.2).item() == pytest.approx(losses.sum() / 2, rel=1e-5)


def test_unsaid_nouns_that_count_less_make_a_head_surer():
    features, said = world()
    careful, bold = (fitted(features, said, negative_weight=w) for w in (1.0, 0.1))
    assert logits_of(bold, features).mean() > logits_of(careful, features).mean() + 0.5


def test_the_same_seed_gives_the_same_head_and_another_another():
    features, said = world()
    first, again, other = (fitted(features, said, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_a_feature_that_never_changes_does_no_harm():
    features, said = world()
    features[:, 5] = 3.0
    head = fitted(features, said)
    assert head.weight.isfinite().all()
    assert head.bias.isfinite().all()


def test_average_precision_is_the_slow_loops():
    noise = torch.Generator().manual_seed(2)
    logits, said = torch.randn(23, 5, generator=noise), torch.rand(23, 5, generator=noise) < 0.3
    expected = [
        loops.average_precision(logits[:, noun].tolist(), said[:, noun].tolist())
        for noun in range(5)
    ]
    assert average_precisions(logits, said).tolist() == pytest.approx(expected)


def test_equal_scores_keep_the_order_of_the_images():
    said = torch.zeros(97, 2, dtype=torch.bool)
    said[[0, 1], 0], said[[2, 5], 1] = True, True
    found = average_precisions(torch.zeros(97, 2), said)
    assert found.tolist() == pytest.approx([1, (1 / 3 + 2 / 6) / 2])


def test_average_precision_of_a_noun_that_nobody_said_is_unknown():
    said = torch.tensor([[True, False], [False, False]])
    precisions = average_precisions(torch.tensor([[0.1, 0.5], [0.9, 0.4]]), said)
    assert precisions[0].item() == 0.5
    assert precisions[1].isnan()


def test_probabilities_have_the_frequencies_of_the_nouns_on_average():
    """With negatives of full weight, the gradient of the bias vanishes only there."""
    features, said = world()
    head = fitted(features, said, negative_weight=1.0)
    probs = logits_of(head, features).sigmoid().mean(0)
    torch.testing.assert_close(probs, said.float().mean(0), rtol=0, atol=0.05)


@pytest.fixture
def steps():
    """What every step of an optimiser is taken with: learning rates and weight decays."""
    seen = []

    def hook(optimiser, _args, _named):
        seen.append([(group["lr"], group["weight_decay"]) for group in optimiser.param_groups])

    handle = register_optimizer_step_pre_hook(hook)
    yield seen
    handle.remove()


def test_the_learning_rate_falls_as_a_cosine_from_epoch_to_epoch_and_the_weight_alone_decays(steps):
    features, said = world()  # of 96 images
    fitted(features, said, epochs=4, batch_images=40, weight_decay=0.3)
    rates = [0.05 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in (0, 1, 2, 3)]
    expected = [[(rate, 0.3), (rate, 0.0)] for rate in rates for _ in range(3)]
    np.testing.assert_allclose(steps, expected)


def test_step_and_epoch_of_a_late_end_are_counted_from_the_first(steps):
    features, said = world()
    with pytest.raises(NonFiniteError, match=r"at step \d+, in epoch \d+$") as raised:
        fitted(features, said, weight_decay=600.0)  # the weight grows by thirty at every step
    step, epoch = map(int, re.findall(r"\d+", str(raised.value))[-2:])
    assert step == len(steps) + 1
    assert epoch == (step - 1) // 6 + 1 > 1


def test_a_training_that_blows_up_names_the_step_of_all():
    features, said = world()
    with pytest.raises(NonFiniteError, match=r"at step \d+, in epoch \d+$"):
        fitted(features, said, learning_rate=1e20, weight_decay=1e18)
