import math

import pytest
import torch
from torch.nn import functional as F

from models.training.contrastive_loss import (
    contrastive_loss,
    image_scores,
    matching_loss,
    negative_mask,
)
from tests.oracles import model_loops as loops

B, P, R, D = 3, 2, 5, 7
TEMPERATURE = 0.3


def _batch():
    torch.manual_seed(0)
    phrases = F.normalize(torch.randn(B, P, D), dim=-1)
    boxes = F.normalize(torch.randn(B, R, D), dim=-1)
    phrase_mask = torch.tensor([[True, True], [True, False], [True, True]])
    box_mask = torch.arange(R) < torch.tensor([[5], [2], [3]])
    negatives = torch.ones(B, P, B, dtype=torch.bool)
    negatives[0, 1, 2] = False
    return phrases, boxes, phrase_mask, box_mask, negatives


def test_the_loss_equals_a_slow_loop():
    phrases, boxes, phrase_mask, box_mask, negatives = _batch()
    expected = loops.contrast(
        phrases.double().numpy(),
        boxes.double().numpy(),
        phrase_mask.numpy(),
        box_mask.numpy(),
        negatives.numpy(),
        TEMPERATURE,
    )
    loss = contrastive_loss(*_batch(), TEMPERATURE)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_an_image_without_boxes_neither_teaches_nor_stands_against_others():
    phrases, boxes, phrase_mask, box_mask, negatives = _batch()
    box_mask[1] = False
    expected = loops.contrast(
        phrases.double().numpy(),
        boxes.double().numpy(),
        phrase_mask.numpy(),
        box_mask.numpy(),
        negatives.numpy(),
        TEMPERATURE,
    )
    loss = contrastive_loss(phrases, boxes, phrase_mask, box_mask, negatives, TEMPERATURE)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_phrase_alone_in_its_batch_has_the_loss_whole():
    phrases, boxes, phrase_mask, box_mask, negatives = _batch()
    phrase_mask = torch.zeros_like(phrase_mask)
    phrase_mask[2, 1] = True
    arrays = [part.double().numpy() for part in (phrases, boxes)]
    arrays += [part.numpy() for part in (phrase_mask, box_mask, negatives)]
    loss = contrastive_loss(phrases, boxes, phrase_mask, box_mask, negatives, TEMPERATURE)
    assert loss.item() == pytest.approx(loops.contrast(*arrays, TEMPERATURE), rel=1e-5)


def test_an_images_score_does_not_grow_with_the_number_of_its_boxes():
    phrase = torch.ones(1, 1, 1)
    boxes = torch.ones(2, 3, 1)
    mask = torch.tensor([[True, False, False], [True, True, True]])
    scores = image_scores(phrase.expand(2, 1, 1), boxes, mask, 0.5)
    torch.testing.assert_close(scores, torch.full((2, 1, 2), 2.0))


def test_padding_is_inert():
    phrases, boxes, phrase_mask, box_mask, negatives = _batch()
    noisy_boxes = torch.where(box_mask[..., None], boxes, torch.tensor(3.0))
    noisy_phrases = torch.where(phrase_mask[..., None], phrases, torch.tensor(3.0))
    torch.testing.assert_close(
        contrastive_loss(noisy_phrases, noisy_boxes, phrase_mask, box_mask, negatives, 0.3),
        contrastive_loss(phrases, boxes, phrase_mask, box_mask, negatives, 0.3),
    )


def test_one_image_alone_costs_nothing():
    phrases, boxes, phrase_mask, box_mask, negatives = (part[:1] for part in _batch())
    loss = contrastive_loss(phrases, boxes, phrase_mask, box_mask, negatives[..., :1], 0.3)
    assert loss == 0


@pytest.mark.parametrize("num_boxes", [0, R])
def test_a_batch_without_boxes_costs_nothing_and_has_a_gradient(num_boxes):
    phrases, boxes, phrase_mask, box_mask, negatives = _batch()
    boxes = boxes[:, :num_boxes].requires_grad_()
    masks = (phrase_mask, box_mask[:, :num_boxes] & False)
    loss = contrastive_loss(phrases, boxes, *masks, negatives, 0.3)
    loss.backward()
    assert loss == 0
    assert boxes.grad.isfinite().all()


def test_phrases_that_match_their_own_image_cost_little_and_swapped_ones_much():
    boxes = torch.eye(3)[:, None]
    masks = (torch.ones(3, 1, dtype=torch.bool), torch.ones(3, 1, dtype=torch.bool))
    negatives = torch.ones(3, 1, 3, dtype=torch.bool)
    own = contrastive_loss(boxes, boxes, *masks, negatives, 0.1)
    swapped = contrastive_loss(boxes.roll(1, 0), boxes, *masks, negatives, 0.1)
    assert own.item() == pytest.approx(math.log(1 + 2 * math.exp(-10)), abs=1e-6)
    assert swapped.item() == pytest.approx(10 + math.log(1 + 2 * math.exp(-10)), abs=1e-4)


def _probs():
    torch.manual_seed(2)
    _, _, _, box_mask, _ = _batch()
    probs = torch.rand(B, P, R) * box_mask[:, None]
    return probs / probs.sum(-1, keepdim=True)


def _symmetric_rivals():
    negatives = ~torch.eye(B, dtype=torch.bool)[:, None].expand(B, P, B)
    negatives = negatives.clone()
    negatives[0, 1, 2] = False
    return negatives


def test_matching_equals_a_slow_loop():
    phrases, boxes, phrase_mask, _, _ = _batch()
    probs, negatives = _probs(), _symmetric_rivals()
    probs[1] = 0  # an image without boxes
    expected = loops.matching(
        phrases.double().numpy(),
        boxes.double().numpy(),
        probs.double().numpy(),
        phrase_mask.numpy(),
        negatives.numpy(),
        TEMPERATURE,
    )
    loss = matching_loss(phrases, boxes, probs, phrase_mask, negatives, TEMPERATURE)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_phrases_of_one_image_are_not_matched_against_each_other():
    phrases, boxes, phrase_mask, _, _ = (part[:1] for part in _batch())
    negatives = torch.zeros(1, P, 1, dtype=torch.bool)
    assert matching_loss(phrases, boxes, _probs()[:1], phrase_mask, negatives, TEMPERATURE) == 0


def test_matching_teaches_the_probabilities():
    phrases, boxes, phrase_mask, _, _ = _batch()
    probs = _probs().requires_grad_()
    matching_loss(phrases, boxes, probs, phrase_mask, _symmetric_rivals(), TEMPERATURE).backward()
    assert probs.grad[phrase_mask].abs().sum(-1).gt(0).all()


def test_matching_without_boxes_is_zero_and_has_a_finite_gradient():
    phrases, boxes, phrase_mask, _, _ = _batch()
    boxes = boxes[:, :0].requires_grad_()
    loss = matching_loss(
        phrases, boxes, torch.zeros(B, P, 0), phrase_mask, _symmetric_rivals(), TEMPERATURE
    )
    loss.backward()
    assert loss == 0
    assert boxes.grad.isfinite().all()


def test_an_image_with_the_very_same_phrase_is_no_rival():
    ids = torch.tensor([[[7, 8], [7, 9]], [[7, 9], [5, 5]], [[8, 7], [7, 0]]])
    mask = torch.ones(3, 2, 2, dtype=torch.bool)
    negatives = negative_mask(ids, mask, torch.ones(3, 2, dtype=torch.bool))
    expected = torch.tensor(
        [
            [[False, True, True], [False, False, True]],
            [[False, False, True], [True, False, True]],
            [[True, True, False], [True, True, False]],
        ]
    )
    assert negatives.equal(expected)


def test_padding_makes_phrases_neither_equal_nor_different():
    ids = torch.tensor([[[7, 8, 1]], [[7, 8, 0]], [[7, 8, 9]]])
    mask = torch.tensor([[[True, True, False]], [[True, True, False]], [[True, True, True]]])
    negatives = negative_mask(ids, mask, torch.tensor([[True], [True], [True]]))
    assert negatives[0, 0].tolist() == [False, False, True]


def test_a_padded_phrase_takes_no_rival_away():
    ids = torch.full((2, 1, 3), 7)
    mask = torch.ones(2, 1, 3, dtype=torch.bool)
    assert negative_mask(ids, mask, torch.tensor([[True], [False]]))[0, 0, 1]
