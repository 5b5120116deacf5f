import math

import pytest
import torch

from models.grounder.encoders.cam_encoder import CamEncoder
from models.grounder.encoders.visual_encoder import LevelMap
from models.training.mining_loss import (
    FrozenClassifier,
    MinedNouns,
    SoftMask,
    erase,
    fill_missing_confidences,
    mining_loss,
    sample_nouns,
    select_nouns,
)
from tests.models.grounder.tiny_grounder import tiny_config

SOFT = SoftMask(sharpness=10.0, threshold=0.5)
BLANK = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)
REAL = torch.ones(1, 2, 2, dtype=torch.bool)


def _red_and_green(images):
    """Return the mean of the red and of the green channel as two probabilities."""
    return images[:, :2].mean((-2, -1))


def _nouns(maps, images=(0,), classes=(0,), confidences=(1.0,), weights=(1.0,)):
    return MinedNouns(
        maps,
        torch.tensor(images),
        torch.tensor(classes),
        torch.tensor(confidences),
        torch.tensor(weights),
    )


def test_a_hidden_pixel_takes_the_blank_colour_by_the_soft_mask():
    images, maps = torch.full((1, 3, 4, 4), 0.9), torch.full((1, 2, 2), 0.6)
    share = 1 / (1 + math.exp(-10 * (0.6 - 0.5)))
    expected = 0.9 + (BLANK - 0.9) * share
    torch.testing.assert_close(erase(images, maps, SOFT, BLANK)[0], expected.expand(3, 4, 4))


def test_the_side_that_is_attended_to_is_hidden_and_the_other_is_not():
    maps = torch.tensor([[[1.0, 1.0, 0.0, 0.0]] * 2])
    hidden = erase(torch.full((1, 3, 4, 4), 0.9), maps, SOFT, BLANK)
    torch.testing.assert_close(hidden[0, :, 0, 0], BLANK.flatten(), atol=0.01, rtol=0)
    torch.testing.assert_close(hidden[0, :, 3, 3], torch.full((3,), 0.9), atol=0.01, rtol=0)


def test_a_loss_worked_out_by_hand():
    images = torch.zeros(2, 3, 4, 4)
    images[0, 0], images[1, 1] = 0.8, 0.2
    nouns = _nouns(
        torch.stack([torch.full((2, 2), 0.5), torch.zeros(2, 2)]),
        images=(0, 1),
        classes=(0, 1),
        confidences=(0.9, 0.3),
        weights=(0.9, 0.3),
    )
    mined = mining_loss(
        nouns, images, REAL.expand(2, 2, 2), FrozenClassifier(_red_and_green, BLANK), SOFT, 4
    )
    unhidden = 0.2 + (0.5 - 0.2) / (1 + math.exp(5))
    assert mined.loss.item() == pytest.approx(0.75 * (0.8 + 0.4) / 2 + 0.25 * unhidden)
    assert mined.area.item() == pytest.approx(0.75 * 0.5)
    assert mined.intact_prob.item() == pytest.approx(0.75 * 0.9 + 0.25 * 0.3)
    assert mined.blank_prob.item() == pytest.approx(0.75 * 0.4 + 0.25 * 0.5)


@pytest.mark.parametrize(("second", "area"), [(True, 0.3), (False, 0.2)])
def test_area_is_measured_on_real_cells_only(second, area):
    cells = torch.tensor([[[True, second], [False, False]]])
    maps = torch.tensor([[[0.2, 0.4], [0.0, 0.0]]])
    scorer = FrozenClassifier(_red_and_green, BLANK)
    mined = mining_loss(_nouns(maps), torch.rand(1, 3, 4, 4), cells, scorer, SOFT, 4)
    assert mined.area.item() == pytest.approx(area)


def test_without_a_real_cell_the_area_is_zero():
    scorer = FrozenClassifier(_red_and_green, BLANK)
    nouns = _nouns(torch.full((1, 2, 2), 0.7))
    mined = mining_loss(nouns, torch.rand(1, 3, 4, 4), ~REAL, scorer, SOFT, 4)
    assert mined.area == 0


def test_gradient_reaches_the_map_through_the_image():
    maps = torch.full((1, 2, 2), 0.5, requires_grad=True)
    images = torch.ones(1, 3, 4, 4)
    scorer = FrozenClassifier(_red_and_green, BLANK)
    mining_loss(_nouns(maps), images, REAL, scorer, SOFT, 4).loss.backward()
    slope = (0.4 - 1.0) * 10 * 0.25 / 4  # d prob / d pixel x d pixel / d mask x d mask / d A
    torch.testing.assert_close(maps.grad, torch.full((1, 2, 2), slope))


def test_without_nouns_everything_is_zero_and_has_a_gradient():
    maps = torch.rand(1, 2, 2, requires_grad=True)
    nothing = MinedNouns(maps[:0], *(torch.zeros(0, dtype=torch.long),) * 4)
    mined = mining_loss(
        nothing, torch.rand(1, 3, 4, 4), REAL, FrozenClassifier(_red_and_green, BLANK), SOFT, 4
    )
    mined.loss.backward()
    assert (mined.loss, mined.area) == (0, 0)
    assert maps.grad.eq(0).all()


def test_a_noun_that_two_phrases_name_is_mined_once_with_both_weights():
    maps = torch.arange(12.0).view(2, 3, 1, 1, 2)
    maps[0, 2] = maps[0, 0]
    classes = torch.tensor([[[5], [3], [5]], [[5], [-1], [3]]])
    confidences = torch.tensor([[[0.6], [0.04], [0.6]], [[0.5], [0.9], [0.7]]])
    nouns = select_nouns(maps, torch.ones(2, 3, 1, dtype=torch.bool), classes, confidences)
    assert nouns.image_index.tolist() == [0, 1, 1]
    assert nouns.classes.tolist() == [5, 3, 5]
    torch.testing.assert_close(nouns.weights, torch.tensor([1.2, 0.7, 0.5]))
    torch.testing.assert_close(nouns.confidences, torch.tensor([0.6, 0.7, 0.5]))
    assert nouns.maps.equal(torch.stack([maps[0, 0, 0], maps[1, 2, 0], maps[1, 0, 0]]))


def test_a_noun_is_mined_from_a_confidence_of_a_twentieth_on():
    confidences = torch.tensor([[[0.0499, 0.05, 0.06]]])
    used = torch.ones(1, 1, 3, dtype=torch.bool)
    nouns = select_nouns(torch.rand(1, 1, 3, 2, 2), used, torch.arange(3)[None, None], confidences)
    assert nouns.classes.tolist() == [1, 2]


def test_nouns_that_are_not_used_are_not_mined():
    used = torch.tensor([[[True, False]]])
    nouns = select_nouns(
        torch.rand(1, 1, 2, 2, 2), used, torch.ones(1, 1, 2).long(), torch.ones(1, 1, 2)
    )
    assert len(nouns.weights) == 1


def test_a_classifier_sees_fine_stripes_as_their_mean():
    seen = []
    scorer = FrozenClassifier(lambda images: seen.append(images) or _red_and_green(images), BLANK)
    stripes = ((torch.arange(64) + 1) // 2 % 2).float().expand(1, 3, 64, 64)
    classes = torch.zeros(1, 1, 1, dtype=torch.int64)
    fill_missing_confidences(torch.full((1, 1, 1), -1.0), classes, stripes, scorer, 16)
    torch.testing.assert_close(seen[0][..., 1:-1], torch.full((1, 3, 16, 14), 0.5))


def test_confidences_that_a_crop_left_unknown_are_asked_of_the_picture_as_it_is_seen():
    images, seen = torch.zeros(3, 3, 4, 4), []
    images[:, 0], images[:, 1] = torch.tensor([0.2, 0.3, 0.7]).view(3, 1, 1), 0.5
    images[1, 0, :, 2:] = 0.9

    def probs(asked):
        seen.append(asked.shape)
        return _red_and_green(asked)

    known = torch.tensor([[[0.8, 0.1]], [[-1.0, -1.0]], [[-1.0, 0.4]]])
    classes = torch.tensor([[[0, 1]], [[0, 1]], [[-1, 1]]])
    found = fill_missing_confidences(known, classes, images, FrozenClassifier(probs, BLANK), 2)
    expected = torch.tensor([[[0.8, 0.1]], [[0.6, 0.5]], [[0.0, 0.4]]])
    torch.testing.assert_close(found, expected)
    assert seen == [(1, 3, 2, 2)]
    classes[1] = -1  # two nouns that the classifier does not know: nobody need be asked
    found = fill_missing_confidences(known, classes, images, FrozenClassifier(probs, BLANK), 2)
    torch.testing.assert_close(found, torch.tensor([[[0.8, 0.1]], [[0, 0]], [[0, 0.4]]]))
    assert len(seen) == 1


# A grey picture with a red object over 4 x 3 of 12 x 12 cells; the raw map knows its top third.
OBJECT = torch.zeros(1, 12, 12, dtype=torch.bool)
OBJECT[:, 4:8, 5:8] = True


def _redness_is_seen(images):
    """Return a noun's probability: it rises quickly with the red that is left anywhere."""
    red = (images[:, 0] - images[:, 1]).clamp(min=0).mean((-2, -1))
    return 1 - torch.exp(-40 * red[:, None])


def _train_attention(area_price):
    """Train a CAM encoder on the picture; return its mean attention at times and its last map."""
    torch.manual_seed(0)
    image = torch.full((1, 3, 12, 12), 0.5)
    image[:, :, OBJECT[0]] = torch.tensor([1.0, 0.2, 0.2])[:, None]
    raw = torch.zeros(1, 1, 1, 12, 12)
    raw[..., 4:6, 5:8] = 1.0
    deepest = LevelMap(image - 0.5, torch.ones(1, 12, 12, dtype=torch.bool))
    encoder = CamEncoder(3, tiny_config(embed_dim=16))
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.01)
    scorer = FrozenClassifier(_redness_is_seen, torch.full((3, 1, 1), 0.5))
    yes, head = torch.ones(1, 1, 1, dtype=torch.bool), torch.zeros(1, 1, 1, dtype=torch.long)
    areas = []
    for _ in range(120):
        maps = encoder(deepest, raw, yes, head).attention_maps
        nouns = select_nouns(maps, yes, head, torch.ones(1, 1, 1))
        mined = mining_loss(nouns, image, deepest.cell_mask, scorer, SOFT, 12)
        optimiser.zero_grad()
        (mined.loss + area_price * mined.area).backward()
        optimiser.step()
        areas.append(mined.area.item())
    return areas[::40], areas[-1], maps.detach()[0, 0]


def _iou_with_object(maps):
    attended = maps > 0.5
    return ((attended & OBJECT).sum() / (attended | OBJECT).sum()).item()


def test_without_an_area_price_the_attention_grows_and_grows():
    milestones, last, _ = _train_attention(area_price=0.0)
    assert milestones[0] < milestones[1] < milestones[2] < last


def test_with_the_default_price_the_attention_covers_the_object_and_stops():
    _, last, maps = _train_attention(area_price=0.5)
    assert last < 2 * OBJECT.float().mean()
    assert _iou_with_object(maps) > 0.9


def test_the_price_is_what_makes_the_difference():
    free, priced = _train_attention(area_price=0.0), _train_attention(area_price=0.5)
    assert free[1] > 1.5 * priced[1]


def _five_nouns():
    numbers = torch.arange(5)
    maps = numbers[:, None, None].expand(5, 2, 3) / 10
    return MinedNouns(maps, numbers + 10, numbers + 20, numbers / 30, numbers / 40)


def test_drawn_nouns_keep_what_belongs_to_them():
    torch.manual_seed(0)
    drawn = sample_nouns(_five_nouns(), 3)
    kept = drawn.image_index - 10
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert len(kept) == 3
    torch.testing.assert_close(drawn.maps, kept[:, None, None].expand(3, 2, 3) / 10)
    assert drawn.classes.equal(kept + 20)
    torch.testing.assert_close(drawn.confidences, kept / 30)
    torch.testing.assert_close(drawn.weights, kept / 40)


def test_every_noun_is_drawn_equally_often():
    torch.manual_seed(0)
    draws = torch.cat([sample_nouns(_five_nouns(), 2).image_index - 10 for _ in range(1000)])
    spread = 4 * math.sqrt(1000 * 0.4 * 0.6)  # four standard deviations of a count
    assert (draws.bincount(minlength=5) - 400).abs().max() < spread


@pytest.mark.parametrize("most", [0, 5, 6])
def test_enough_room_keeps_every_noun(most):
    assert sample_nouns(_five_nouns(), most).image_index.tolist() == [10, 11, 12, 13, 14]
