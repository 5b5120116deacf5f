import pytest
import torch
from torch import nn

from models.grad_cam.scorer import NounScorer, NounScores, in_whole_cells, routes_of
from models.noun_classes.imagenet import NounClasses


class MeanColours(NounScorer):
    """Two nouns, scored by the mean red and the mean blue."""

    def __init__(self):
        network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5))
        super().__init__(network, {"fire": "first_sense", "sea": "name"}, "0")

    @property
    def blank(self):
        return torch.zeros(3, 1, 1)

    def scores(self, images):
        logits = self.network(images).mean((-2, -1))[:, [0, 2]]
        return NounScores(logits, logits.sigmoid())

    def describe(self):
        return {}


def test_a_scorer_is_frozen_and_its_owner_cannot_put_it_into_training_mode():
    scorer = MeanColours()
    owner = nn.Sequential(scorer).train()
    assert owner.training
    assert not any(module.training for module in scorer.modules())
    assert not any(weight.requires_grad for weight in scorer.parameters())


def test_calling_it_gives_logits_and_probs_their_sigmoid():
    images = torch.rand(2, 3, 5, 7)
    scorer = MeanColours()
    expected = images.mean((-2, -1))[:, [0, 2]] / (1 + 1e-5) ** 0.5  # of an untrained BatchNorm
    torch.testing.assert_close(scorer(images), expected)
    torch.testing.assert_close(scorer.probs(images), expected.sigmoid())


def test_nouns_and_routes_keep_their_order():
    scorer = MeanColours()
    assert (scorer.nouns, scorer.routes) == (("fire", "sea"), ("first_sense", "name"))
    found = {"kayak": NounClasses((3,), "hypernym"), "dog": NounClasses((1, 2), "first_sense")}
    assert routes_of(found) == {"kayak": "hypernym", "dog": "first_sense"}


@pytest.mark.parametrize(
    ("image_hw", "cells_hw"), [((64, 96), (64, 96)), ((65, 96), (96, 96)), ((31, 33), (32, 64))]
)
def test_sides_grow_to_whole_cells_and_stay_where_they_are_whole(image_hw, cells_hw):
    assert in_whole_cells(torch.rand(2, 3, *image_hw), 32).shape == (2, 3, *cells_hw)


def test_growing_puts_centres_of_pixels_where_they_were():
    grown = in_whole_cells(torch.tensor([0.0, 1, 2]).expand(1, 3, 2, 3), 2)
    torch.testing.assert_close(grown[0, 1, 0], torch.tensor([0, 0.625, 1.375, 2]))


def test_a_slope_is_still_a_slope_after_growing_and_nothing_is_padded():
    slope = torch.linspace(0, 1, 29).expand(1, 3, 31, 29)
    grown = in_whole_cells(slope, 32)
    assert (grown.amin(), grown.amax()) == (0, 1)
    assert (grown[0, 0, 7].diff() > -1e-6).all()
    torch.testing.assert_close(grown[0, 0, 0], grown[0, 2, -1])
