import itertools
import math

import pytest
import torch

from models.grounder.box_head import (
    OffsetHead,
    RegHead,
    answer_boxes,
    decode_boxes,
    encode_boxes,
)
from tests.models.grounder.tiny_grounder import B, P, R, outputs_of, tiny_inputs


def test_offsets_of_boxes_drawn_by_hand():
    anchor = torch.tensor([10.0, 20.0, 30.0, 60.0])  # centre (20, 40), 20 x 40
    target = torch.tensor([20.0, 20.0, 60.0, 40.0])  # centre (40, 30), 40 x 20
    expected = torch.tensor([10.0, -2.5, 5 * math.log(2), -5 * math.log(2)])
    torch.testing.assert_close(encode_boxes(anchor, target), expected)


def test_offsets_decode_to_a_box_drawn_by_hand():
    anchor = torch.tensor([10.0, 20.0, 30.0, 60.0])
    deltas = torch.tensor([10.0, -2.5, 5 * math.log(2), -5 * math.log(2)])
    torch.testing.assert_close(decode_boxes(anchor, deltas), torch.tensor([20.0, 20.0, 60.0, 40.0]))


def test_every_box_of_a_batch_is_coded_by_its_own_anchor():
    torch.manual_seed(0)
    corners, sides = 50 * torch.rand(2, 3, 5, 2), 1 + 30 * torch.rand(2, 3, 5, 2)
    anchors, targets = torch.cat([corners, corners + sides], dim=-1)
    deltas = encode_boxes(anchors, targets)
    for index in itertools.product(range(3), range(5)):
        torch.testing.assert_close(deltas[index], encode_boxes(anchors[index], targets[index]))
    torch.testing.assert_close(decode_boxes(anchors, deltas), targets, rtol=1e-4, atol=1e-3)


def test_offsets_of_a_box_without_area_are_finite_and_clamped():
    point, box = torch.tensor([5.0, 5.0, 5.0, 5.0]), torch.tensor([0.0, 0.0, 100.0, 50.0])
    deltas = encode_boxes(torch.stack([point, box]), torch.stack([box, point]))
    assert deltas.isfinite().all()
    assert deltas[0, 2].item() == pytest.approx(5 * math.log(1000 / 16))


def test_the_reg_head_turns_its_sigmoids_into_centre_and_sides_within_the_image():
    head = RegHead(7)
    torch.nn.init.zeros_(head.layers[-1].weight)
    with torch.no_grad():
        head.layers[-1].bias.copy_(torch.logit(torch.tensor([0.25, 0.5, 0.125, 0.75])))
    frames = torch.tensor([[3.0, 5.0, 83.0, 45.0]])  # 80 wide, 40 high
    expected = torch.tensor([[[3 + 15.0, 5 + 5.0, 3 + 25.0, 5 + 35.0]]])
    torch.testing.assert_close(head(torch.rand(1, 1, 7), frames), expected)


def test_the_reg_head_has_three_layers_and_rectifies_between_them_alone():
    torch.manual_seed(0)
    head, states = RegHead(7), torch.randn(2, 3, 7)
    first, second, last = (part for part in head.layers if isinstance(part, torch.nn.Linear))
    centre_x, centre_y, wide, high = last(second(first(states).relu()).relu()).sigmoid().unbind(-1)
    left, top = 100 * (centre_x - wide / 2), 50 * (centre_y - high / 2)
    expected = torch.stack([left, top, left + 100 * wide, top + 50 * high], dim=-1)
    found = head(states, torch.tensor([[0.0, 0.0, 100.0, 50.0]]).expand(2, 4))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


def test_boxes_of_the_reg_head_are_as_fine_as_float32_in_half_precision_too():
    torch.manual_seed(0)
    head, states = RegHead(7), torch.randn(1, 4, 7)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head.layers(states)
        found = head(states, torch.tensor([[0.0, 0.0, 1000.0, 500.0]]))
    centre_x, centre_y, wide, high = logits.double().sigmoid().unbind(-1)
    expected = torch.stack(
        [centre_x - wide / 2, centre_y - high / 2, centre_x + wide / 2, centre_y + high / 2], -1
    )
    expected = expected * torch.tensor([1000.0, 500.0, 1000.0, 500.0])
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-3)


def test_the_offset_head_starts_at_no_offset_and_reads_phrase_and_box():
    torch.manual_seed(0)
    head, states, proposals = OffsetHead(7, 5), torch.rand(2, 3, 7), torch.rand(2, 11, 5)
    assert head(states, proposals).eq(torch.zeros(2, 3, 11, 4)).all()
    torch.nn.init.normal_(head.last.weight)
    stacked = (head.from_state(states[1, 2]) + head.from_box(proposals[1, 9])).relu()
    torch.testing.assert_close(head(states, proposals)[1, 2, 9], head.last(stacked))


def test_the_three_answers_are_the_head_s_the_best_proposal_and_the_refined_one():
    inputs = tiny_inputs()
    logits = torch.full((B, P, R), -9.0)
    best = torch.tensor([[4, 0, 2], [1, 1, 0]])
    answers = answer_boxes(outputs_of(logits.scatter(2, best[..., None], 3.0)), inputs)
    assert answers["reg"].eq(1).all()
    assert answers["refined"].eq(2).all()
    for image, phrase in itertools.product(range(B), range(P)):
        expected = inputs.boxes_xyxy[image, best[image, phrase]]
        assert torch.equal(answers["proposal"][image, phrase], expected)


def test_without_a_real_proposal_the_answer_is_the_real_part_of_the_image():
    inputs = tiny_inputs(boxes=0)
    real = torch.tensor([[0.0, 0, 43, 61], [0, 0, 67, 53]])[:, None].expand(-1, P, -1)
    answers = answer_boxes(outputs_of(torch.zeros(B, P, 0)), inputs)
    assert torch.equal(answers["proposal"], real)
    inputs = tiny_inputs()
    inputs.box_mask[1] = False  # proposals of padding alone
    answers = answer_boxes(outputs_of(torch.rand(B, P, R)), inputs)
    assert torch.equal(answers["proposal"][1], real[1])
    assert not torch.equal(answers["proposal"][0], real[0])
