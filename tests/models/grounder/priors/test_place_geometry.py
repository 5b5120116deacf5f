import numpy as np
import pytest
import torch

from models.grounder.priors.place_geometry import (
    order_logits,
    relation_fits,
    relation_logits,
    shares_of_others,
    side_logits,
    size_logits,
)
from models.phrases.place_words import CUES, OPPOSITE, RELATIONS, SIDES
from tests.oracles import place_loops

B, P, R = 3, 11, 7
CUPS = [(0.05, 0.4, 0.2, 0.6), (0.4, 0.42, 0.6, 0.62), (0.7, 0.38, 0.95, 0.58)]
NO_ROW = torch.zeros(1, 1, dtype=torch.long)


def draw_boxes(seed, count=R):
    """Return boxes in shares: far apart, nested, nearly the same, without area."""
    noise = torch.Generator().manual_seed(seed)
    corners = torch.rand(B, count, 2, generator=noise) * 0.7
    sides = torch.rand(B, count, 2, generator=noise) * torch.tensor([0.3, 0.5])
    boxes = torch.cat([corners, corners + sides], dim=-1)
    boxes[:, 1::3] = boxes[:, : len(boxes[0, 1::3])] + 0.01
    boxes[0, -1, 2] = boxes[0, -1, 0]
    return boxes


def draw(seed, *shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def cues_of(*names):
    """Return the cues of one phrase about one image, bool (1, 1, C)."""
    return torch.tensor([[[cue in names for cue in CUES]]])


def best(logits):
    return int(logits[0, 0].argmax())


def listed(boxes):
    return [[tuple(box) for box in image] for image in boxes.double().tolist()]


@pytest.mark.parametrize(
    ("logits", "loop"),
    [(side_logits, place_loops.side_logit), (size_logits, place_loops.size_logit)],
)
@pytest.mark.parametrize("seed", range(3))
def test_sides_and_sizes_are_those_of_the_slow_loop(logits, loop, seed):
    boxes, cues = draw_boxes(seed), draw(seed + 9, B, P, len(CUES)) < 0.4
    named = [[{CUES[n] for n in row.nonzero()[:, 0]} for row in image] for image in cues]
    expected = [
        [[loop(box, names) for box in image] for names in phrases]
        for image, phrases in zip(listed(boxes), named, strict=True)
    ]
    np.testing.assert_allclose(logits(boxes, cues), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_orders_are_those_of_the_slow_loop(seed):
    boxes, candidates = draw_boxes(seed), draw(seed + 9, B, P, R) < 0.7
    ranks = torch.arange(P).remainder(5).expand(B, P)
    sides = torch.arange(P).remainder(len(SIDES)).expand(B, P)
    expected = [
        [
            place_loops.order_logits(
                image, candidates[b, p].nonzero()[:, 0].tolist(), p % 5, SIDES[p % len(SIDES)]
            )
            for p in range(P)
        ]
        for b, image in enumerate(listed(boxes))
    ]
    np.testing.assert_array_equal(order_logits(boxes, candidates, ranks, sides), expected)


@pytest.mark.parametrize("seed", range(3))
def test_relations_are_those_of_the_slow_loop(seed):
    boxes, probs = draw_boxes(seed), draw(seed + 9, B, P, R).softmax(-1)
    names = [*RELATIONS, "", "", "left"]
    relations = torch.tensor([RELATIONS.index(name) if name else -1 for name in names])
    expected = [
        [
            place_loops.relation_logits(image, name, probs[b, p].tolist())
            for p, name in enumerate(names)
        ]
        for b, image in enumerate(listed(boxes))
    ]
    found = relation_logits(boxes, relations.expand(B, P), probs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "box"),
    [
        (["left"], 0),
        (["right"], 2),
        (["middle"], 1),
        (["large"], 2),
        (["small"], 0),
        (["front"], 1),
        (["bottom"], 1),
        (["back"], 2),
        (["top"], 2),
        (["left", "large"], 0),
    ],
)
def test_of_three_cups_the_one_that_is_named_is_preferred(names, box):
    cups, cues = torch.tensor([CUPS]), cues_of(*names)
    assert best(side_logits(cups, cues) + size_logits(cups, cues)) == box


@pytest.mark.parametrize(
    ("rank", "side", "box"),
    [(2, "left", 1), (3, "left", 2), (2, "right", 1), (3, "right", 0), (2, "top", 0)],
)
def test_the_second_from_the_left_is_the_one_with_one_before_it(rank, side, box):
    every = torch.ones(1, 1, 3, dtype=torch.bool)
    logits = order_logits(
        torch.tensor([CUPS]), every, torch.tensor([[rank]]), torch.tensor([[SIDES.index(side)]])
    )
    assert best(logits) == box
    assert logits[0, 0, box] == 0
    assert (logits == 0).sum() == 1


def test_a_cup_that_was_found_twice_is_counted_once():
    twice = torch.tensor([[*CUPS, (0.06, 0.4, 0.21, 0.6)]])
    every = torch.ones(1, 1, 4, dtype=torch.bool)
    logits = order_logits(twice, every, torch.tensor([[2]]), NO_ROW)
    assert logits[0, 0].tolist() == [-1, 0, -1, -1]


def test_what_is_no_candidate_is_not_counted():
    cups = torch.tensor([[*CUPS, (0.25, 0.1, 0.35, 0.9)]])  # a lamp between the first two
    candidates = torch.tensor([[[True, True, True, False]]])
    logits = order_logits(cups, candidates, torch.tensor([[2]]), NO_ROW)
    assert logits[0, 0, :3].tolist() == [-1, 0, -1]


BESIDE = {  # relation: where something stands to a box in the middle
    "left": (0.1, 0.42, 0.3, 0.6),
    "right": (0.7, 0.42, 0.95, 0.6),
    "top": (0.4, 0.0, 0.6, 0.2),
    "bottom": (0.42, 0.8, 0.6, 0.99),
}


@pytest.mark.parametrize("relation", BESIDE)
def test_what_stands_on_the_side_of_the_anchor_is_preferred(relation):
    boxes = torch.tensor([[(0.4, 0.4, 0.6, 0.6), *BESIDE.values()]])
    anchor = torch.tensor([[[1.0, 0, 0, 0, 0]]])
    logits = relation_logits(boxes, torch.tensor([[RELATIONS.index(relation)]]), anchor)
    assert best(logits) == 1 + [*BESIDE].index(relation)
    assert logits[0, 0, 0] == -1  # nothing is left of itself


def test_near_is_what_has_the_smallest_gap_and_touching_what_lies_inside():
    boxes = torch.tensor(
        [[(0.4, 0.4, 0.6, 0.6), (0.62, 0.4, 0.8, 0.6), (0.0, 0.0, 0.1, 0.1), (0.45, 0.5, 0.5, 0.7)]]
    )
    near, touching = (
        relation_fits(boxes)[0, RELATIONS.index(name), :, 0] for name in ("near", "touching")
    )
    assert near[1] == pytest.approx(-0.02)
    assert near[1] > near[2]
    assert near[3] == 0  # they overlap
    np.testing.assert_allclose(touching, [-1, -1, -1, -0.5], atol=1e-6)


def test_in_front_is_lower_in_the_picture_and_behind_higher():
    boxes = torch.tensor([[(0.3, 0.3, 0.6, 0.7), (0.3, 0.5, 0.6, 1.0), (0.3, 0.1, 0.6, 0.4)]])
    front, back = (
        relation_fits(boxes)[0, RELATIONS.index(name), :, 0] for name in ("front", "back")
    )
    assert front[1] > 0 > front[2]
    assert back[2] > 0 > back[1]


@pytest.mark.parametrize("seed", range(3))
def test_in_a_mirror_left_and_right_change_places_and_nothing_else(seed):
    boxes = draw_boxes(seed)
    mirrored = torch.stack(
        [1 - boxes[..., 2], boxes[..., 1], 1 - boxes[..., 0], boxes[..., 3]], dim=-1
    )
    cues = draw(seed, B, P, len(CUES)) < 0.4
    swapped = cues[..., [CUES.index(OPPOSITE.get(cue, cue)) for cue in CUES]]
    close = {"rtol": 1e-4, "atol": 1e-6}
    torch.testing.assert_close(side_logits(mirrored, swapped), side_logits(boxes, cues), **close)
    torch.testing.assert_close(size_logits(mirrored, swapped), size_logits(boxes, cues), **close)
    places = [RELATIONS.index(OPPOSITE.get(name, name)) for name in RELATIONS]
    torch.testing.assert_close(relation_fits(mirrored)[:, places], relation_fits(boxes), **close)
    candidates = draw(seed + 1, B, P, R) < 0.7
    ranks = torch.full((B, P), 2)
    left, right = (torch.full((B, P), SIDES.index(name)) for name in ("left", "right"))
    torch.testing.assert_close(
        order_logits(mirrored, candidates, ranks, right),
        order_logits(boxes, candidates, ranks, left),
    )


@pytest.mark.parametrize("count", [0, 1, R])
def test_logits_of_any_boxes_are_finite(count):
    boxes = draw_boxes(0, max(count, 2))[:, :count]
    boxes[:, :, 2:] = boxes[:, :, :2]  # no box has an area
    cues = torch.ones(B, P, len(CUES), dtype=torch.bool)
    candidates = torch.ones(B, P, count, dtype=torch.bool)
    ones = torch.ones(B, P, dtype=torch.long)
    for found in (
        side_logits(boxes, cues),
        size_logits(boxes, cues),
        order_logits(boxes, candidates, 2 * ones, ones),
        relation_logits(boxes, 7 * ones, torch.zeros(B, P, count)),
    ):
        assert found.shape == (B, P, count)
        assert found.isfinite().all()


def test_shares_of_others_are_the_boxes_own_share_inside_and_their_relative_size():
    boxes = torch.tensor([[(0.1, 0.2, 0.3, 0.7), (0.5, 0.5, 0.5, 0.9)]])  # the second is empty
    others = torch.tensor([[(0.2, 0.3, 0.9, 0.6), (0.4, 0.1, 0.6, 1.0), (0.1, 0.2, 0.1, 0.2)]])
    inside, sizes = shares_of_others(boxes, others)
    torch.testing.assert_close(inside[0, 0], torch.tensor([0.1 * 0.3, 0, 0]) / (0.2 * 0.5))
    torch.testing.assert_close(
        sizes[0, 0, :2], torch.tensor([0.1 / (0.7 * 0.3), 0.1 / (0.2 * 0.9)])
    )
    assert not inside[0, 1].any()
    assert not sizes[0, 1].any()
    assert sizes.isfinite().all()
    assert sizes[0, 0, 2] > 1
