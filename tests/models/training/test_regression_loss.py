import math
from dataclasses import replace

import pytest
import torch
from torchvision.ops import generalized_box_iou_loss

from models.training.regression_loss import (
    PseudoLabelThresholds,
    giou_loss,
    regression_loss,
    select_pseudo_targets,
)
from tests.oracles import model_loops as loops

GATES = PseudoLabelThresholds(iou=0.6, margin=0.1, min_confidence=0.2)
# A box, one that covers 3/4 of it (IoU 0.75), one that covers half (0.5), one far away, padding.
BOXES = torch.tensor(
    [[[0, 0, 40, 20], [0, 0, 30, 20], [0, 0, 20, 20], [60, 60, 90, 80], [0, 0, 40, 20]]]
).float()
MASKS = (torch.tensor([[True]]), torch.tensor([[True, True, True, True, False]]))


def _probs(*values):
    return torch.tensor([[values]])


def test_a_box_without_an_area_overlaps_nothing_and_learns_where_no_overlap_is_asked_for():
    points = torch.full((1, 5, 4), 5.0)
    anywhere = replace(GATES, iou=0.0)
    _, learners = select_pseudo_targets(points, _probs(0.5, 0.3, 0.1, 0.1, 0.0), MASKS[1], anywhere)
    assert learners.tolist() == [[[True, True, True, True, False]]]
    _, learners = select_pseudo_targets(points, _probs(0.5, 0.3, 0.1, 0.1, 0.0), MASKS[1], GATES)
    assert learners.tolist() == [[[True, False, False, False, False]]]


def test_the_learners_overlap_the_most_trusted_box_and_lag_behind_it():
    best, learners = select_pseudo_targets(BOXES, _probs(0.5, 0.3, 0.1, 0.1, 0.0), MASKS[1], GATES)
    assert best.tolist() == [[[0, 0, 40, 20]]]
    assert learners.tolist() == [[[True, True, False, False, False]]]


def test_a_neighbour_at_both_thresholds_learns():
    gates = replace(GATES, iou=0.75, margin=0.25)
    _, learners = select_pseudo_targets(BOXES, _probs(0.5, 0.25, 0, 0.25, 0.0), MASKS[1], gates)
    assert learners.tolist() == [[[True, True, False, False, False]]]


def test_a_neighbour_that_is_nearly_as_probable_does_not_learn():
    _, learners = select_pseudo_targets(BOXES, _probs(0.4, 0.35, 0.15, 0.1, 0.0), MASKS[1], GATES)
    assert learners.tolist() == [[[True, False, False, False, False]]]


def test_the_loss_is_the_mean_over_learners_of_a_slow_smooth_l1():
    torch.manual_seed(0)
    deltas = torch.randn(1, 1, 5, 4)
    loss = regression_loss(deltas, BOXES, _probs(0.5, 0.3, 0.1, 0.1, 0.0), MASKS, GATES)
    to_best = [10 * 5 / 30, 0.0, 5 * math.log(4 / 3), 0.0]
    first = loops.smooth_l1(deltas[0, 0, 0].tolist(), [0.0] * 4)
    second = loops.smooth_l1(deltas[0, 0, 1].tolist(), to_best)
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-5)


def _batch():
    """Return offsets, boxes, probabilities, predicted boxes and masks of three images."""
    torch.manual_seed(3)
    corners = torch.rand(3, 5, 2) * 9
    boxes = torch.cat([corners, corners + 20 + torch.rand(3, 5, 2) * 9], dim=-1)
    box_mask = torch.arange(5) < torch.tensor([[5], [2], [4]])
    probs = (3 * torch.randn(3, 2, 5)).masked_fill(~box_mask[:, None], -99).softmax(-1)
    masks = (torch.tensor([[True, True], [True, True], [True, False]]), box_mask)
    return torch.randn(3, 2, 5, 4), boxes, probs, boxes[:, :2] + torch.rand(3, 2, 4), masks


def test_a_batch_has_the_mean_loss_of_its_phrases_each_beside_its_own_boxes():
    deltas, boxes, probs, predicted, (phrases, box_mask) = _batch()
    offsets, gious = [], []
    for image, phrase in phrases.nonzero().tolist():
        count, one = int(box_mask[image].sum()), torch.tensor([[True]])
        own = (boxes[image : image + 1, :count], probs[image, phrase, :count].view(1, 1, -1))
        masks = (one, torch.ones(1, count, dtype=torch.bool))
        delta = deltas[image, phrase, :count].view(1, 1, count, 4)
        offsets.append(regression_loss(delta, *own, masks, GATES))
        gious.append(giou_loss(predicted[image, phrase].view(1, 1, 4), *own, masks, GATES))
    found = regression_loss(deltas, boxes, probs, (phrases, box_mask), GATES)
    torch.testing.assert_close(found, torch.stack(offsets).mean())
    found = giou_loss(predicted, boxes, probs, (phrases, box_mask), GATES)
    torch.testing.assert_close(found, torch.stack(gious).mean())


def test_a_phrase_at_the_gate_teaches():
    probs = _probs(0.2, 0.05, 0.05, 0.05, 0.0)
    assert regression_loss(torch.ones(1, 1, 5, 4), BOXES, probs, MASKS, GATES) > 0
    assert giou_loss(torch.rand(1, 1, 4), BOXES, probs, MASKS, GATES) > 0


def test_a_phrase_below_the_gate_teaches_nothing():
    probs = _probs(0.19, 0.05, 0.05, 0.05, 0.0)
    assert regression_loss(torch.ones(1, 1, 5, 4), BOXES, probs, MASKS, GATES) == 0
    assert giou_loss(torch.rand(1, 1, 4), BOXES, probs, MASKS, GATES) == 0


def test_gated_phrases_count_in_the_mean_and_padded_ones_do_not():
    probs = torch.tensor([[[0.5, 0.3, 0.1, 0.1, 0], [0.1] * 5, [0.5, 0.3, 0.1, 0.1, 0]]])
    phrases = torch.tensor([[True, True, False]])
    deltas = torch.ones(1, 1, 5, 4)
    alone = regression_loss(deltas, BOXES, probs[:, :1], MASKS, GATES)
    three = regression_loss(deltas.expand(1, 3, 5, 4), BOXES, probs, (phrases, MASKS[1]), GATES)
    torch.testing.assert_close(three, alone / 2)


def test_the_teacher_gets_no_gradient():
    probs = _probs(0.5, 0.3, 0.1, 0.1, 0.0).requires_grad_()
    boxes, deltas = BOXES.clone().requires_grad_(), torch.ones(1, 1, 5, 4, requires_grad=True)
    regression_loss(deltas, boxes, probs, MASKS, GATES).backward()
    assert deltas.grad.abs().sum() > 0
    assert (probs.grad, boxes.grad) == (None, None)


def test_without_proposals_the_loss_is_zero_and_has_a_gradient():
    deltas, pred = torch.ones(1, 1, 0, 4, requires_grad=True), torch.ones(1, 1, 4).requires_grad_()
    nothing = (torch.ones(1, 0, 4), torch.ones(1, 1, 0), (MASKS[0], torch.ones(1, 0).bool()), GATES)
    loss = regression_loss(deltas, *nothing) + giou_loss(pred, *nothing)
    loss.backward()
    assert loss == 0
    assert pred.grad.eq(0).all()


def test_an_image_whose_proposals_are_padding_counts_as_zero():
    deltas, probs, gates = (
        torch.ones(2, 1, 5, 4),
        torch.zeros(2, 1, 5),
        replace(GATES, min_confidence=0),
    )
    probs[0] = _probs(0.5, 0.3, 0.1, 0.1, 0.0)
    masks = (torch.ones(2, 1, dtype=torch.bool), torch.cat([MASKS[1], MASKS[1] & False]))
    found = regression_loss(deltas, BOXES.expand(2, 5, 4), probs, masks, gates)
    alone = regression_loss(deltas[:1], BOXES, probs[:1], MASKS, gates)
    torch.testing.assert_close(found, alone / 2)


def test_equal_proposals_give_a_finite_loss():
    boxes, probs = BOXES[:, :1].expand(1, 5, 4), torch.full((1, 1, 5), 0.2)
    loss = regression_loss(torch.ones(1, 1, 5, 4), boxes, probs, MASKS, GATES)
    assert loss.item() == pytest.approx(loops.smooth_l1([1.0] * 4, [0.0] * 4))


def test_giou_is_taken_against_the_most_trusted_box():
    pred = torch.tensor([[[10.0, 5.0, 70.0, 30.0]]])
    loss = giou_loss(pred, BOXES, _probs(0.1, 0.6, 0.1, 0.1, 0.0), MASKS, GATES)
    torch.testing.assert_close(loss, generalized_box_iou_loss(pred[0, 0], BOXES[0, 1]))
