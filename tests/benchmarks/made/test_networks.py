import torch

from benchmarks.made.networks import random_scorer
from benchmarks.rows.cams import shown_maps
from models.grad_cam.explainer import NounExplainer


def test_the_maps_of_random_weights_are_not_empty_and_differ():
    images = torch.rand(1, 3, 67, 67, generator=torch.Generator().manual_seed(0))
    explainer = NounExplainer(random_scorer("resnet10", 2), "", "auto")
    first, second = shown_maps(explainer.explain(images, [[0, 1]]).maps[0], 67)
    assert (first.min(), second.min()) == (0, 0)
    assert min(first.max(), second.max()) > 0.99
    assert (first - second).abs().max() > 1e-3
