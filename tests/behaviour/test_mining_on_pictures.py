"""Mining with a classifier that was trained for itself and then left alone, on drawn pictures.

An object is a square of which the top third shows its class strongly and the rest weakly, so that
the classifier, and with it Grad-CAM, looks at the top.
"""

from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.grad_cam.grad_cam import closed_form_cams
from models.grounder.encoders.cam_encoder import CamEncoder
from models.grounder.encoders.visual_encoder import LevelMap
from models.training.mining_loss import FrozenClassifier, SoftMask, mining_loss, select_nouns
from tests.models.grounder.tiny_grounder import tiny_config

pytestmark = pytest.mark.slow
S, STRIDE, CLASSES = 64, 4, 3
GRID = S // STRIDE
COLOURS = torch.tensor([[1.0, 0.1, 0.1], [0.1, 1.0, 0.1], [0.1, 0.1, 1.0]])
GREY = torch.full((3, 1, 1), 0.5)
PRICE = 0.5  # loss.area of profiles/default.yaml


def draw(count, seed):
    """Return pictures of two objects of different classes, their labels and the objects' masks."""
    draws = torch.Generator().manual_seed(seed)
    images = 0.5 + 0.1 * torch.randn(count, 3, S, S, generator=draws)
    masks = torch.zeros(count, CLASSES, S, S, dtype=torch.bool)
    for image in range(count):
        for half, kind in enumerate(torch.randperm(CLASSES, generator=draws)[:2].tolist()):
            side = int(torch.randint(18, 28, (), generator=draws))
            x = half * 32 + int(torch.randint(0, 32 - side + 1, (), generator=draws))
            y = int(torch.randint(0, S - side + 1, (), generator=draws))
            colour = COLOURS[kind][:, None, None]
            images[image, :, y : y + side, x : x + side] = 0.75 * 0.5 + 0.25 * colour
            images[image, :, y : y + side // 3, x : x + side] = colour
            masks[image, kind, y : y + side, x : x + side] = True
    return images.clamp(0, 1), masks.flatten(2).any(-1).float(), masks


class Classifier(nn.Module):
    """Convolutions, the mean over cells, and a linear layer: Grad-CAM has a closed form."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(24, 24, 3, 1, 1), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(24, CLASSES)

    def forward(self, images):
        return self.head(self.features(images - 0.5).mean((-2, -1)))


@cache
def trained_classifier():
    torch.manual_seed(0)
    model = Classifier()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.005)
    images, labels, _ = draw(256, seed=1)
    for step in range(160):
        rows = slice(32 * (step % 8), 32 * (step % 8 + 1))
        loss = F.binary_cross_entropy_with_logits(model(images[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    unseen, labels, _ = draw(64, seed=2)
    assert ((model(unseen) > 0) == labels.bool()).float().mean() > 0.95
    optimiser.zero_grad()
    return model.eval().requires_grad_(False)


def raw_cams(model, images):
    features = model.features(images - 0.5)
    weights = model.head.weight.expand(len(images), -1, -1)
    cams = closed_form_cams(features, weights).clamp(min=0)  # (B, N, h, w)
    return features, cams / cams.amax((-2, -1), keepdim=True).clamp(min=1e-6)


def learn(price, steps=120):
    """Mine the first object of 16 pictures; return mean attention by time, maps, raw, masks."""
    model = trained_classifier()
    torch.manual_seed(0)
    images, labels, masks = draw(16, seed=3)
    features, cams = raw_cams(model, images)
    kinds = labels.argmax(1)  # (B,)
    rows = torch.arange(len(kinds))
    cells = torch.ones(len(kinds), GRID, GRID, dtype=torch.bool)
    nouns, used = kinds[:, None, None], torch.ones(len(kinds), 1, 1, dtype=torch.bool)
    given = (cams[rows, kinds][:, None, None], used, torch.zeros_like(nouns))
    encoder = CamEncoder(24, tiny_config(embed_dim=16))
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.01)
    scorer = FrozenClassifier(lambda pictures: model(pictures).sigmoid(), GREY)
    confidences = model(images).sigmoid()[rows, kinds][:, None, None]
    areas = []
    for _ in range(steps):
        maps = encoder(LevelMap(features, cells), *given).attention_maps
        mined = mining_loss(
            select_nouns(maps, used, nouns, confidences), images, cells, scorer,
            SoftMask(10.0, 0.5), S,
        )  # fmt: skip
        optimiser.zero_grad()
        (mined.loss + price * mined.area).backward()
        optimiser.step()
        areas.append(mined.area.item())
    assert all(weight.grad is None for weight in model.parameters())
    return areas, maps.detach()[:, 0, 0], given[0][:, 0, 0], masks[rows, kinds]


def mask_iou(maps, masks):
    sized = F.interpolate(maps[:, None], (S, S), mode="bilinear")[:, 0] > 0.5
    return ((sized & masks).sum((-2, -1)) / (sized | masks).sum((-2, -1))).mean().item()


def test_without_a_price_the_attention_spreads_far_beyond_the_object():
    areas, _, _, masks = learn(price=0.0)
    share = masks.float().mean().item()
    assert areas[0] < areas[40] < areas[80] < areas[-1]
    assert areas[-1] > 2 * share


def test_with_the_price_the_attention_covers_the_object_better_than_grad_cam():
    areas, maps, raw, masks = learn(price=PRICE)
    assert areas[-1] < 2 * masks.float().mean().item()
    assert mask_iou(maps, masks) > mask_iou(raw, masks) + 0.1
