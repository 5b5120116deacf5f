from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.priors.place import boxes_as_shares, counted_boxes, place_logits
from models.phrases.place_words import CUES, OPPOSITE, RELATIONS, SIDES
from tests.models.grounder.tiny_grounder import B, P, R, S, tiny_config, tiny_inputs
from tests.oracles import place_loops

CONFIG = tiny_config(
    prior_side=1.7, prior_size=0.9, prior_order=0.8, prior_relation=1.3, prior_colour=0.6
)
WEIGHTS = ("prior_side", "prior_size", "prior_order", "prior_relation")


def placed_inputs(seed=0, boxes=R):
    """Return a batch whose second image lies away from the corner of its square."""
    inputs = tiny_inputs(seed, boxes=boxes)
    inputs.pixel_mask[1] = False
    inputs.pixel_mask[1, 11:58, 5:64] = True
    inputs.box_priors[:] = inputs.box_priors.mul(2).round().div(2)  # ties among the fitting
    inputs.anchor_priors[inputs.anchor_priors < 0.3] = 0
    if boxes:
        inputs.box_labels[:, 0] = 0  # a window
        inputs.anchor_priors[0, 1] = 0  # an anchor that no label fits
    return inputs


def boxes_and_anchors(inputs, image, phrase):
    """Return the real boxes as shares of what is seen, and their chances to be the anchor."""
    mask = inputs.pixel_mask[image].numpy()
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = len(rows), len(columns)
    real = inputs.box_mask[image].nonzero()[:, 0].tolist()
    boxes = [
        ((x1 - columns[0]) / width, (y1 - rows[0]) / height,
         (x2 - columns[0]) / width, (y2 - rows[0]) / height)
        for x1, y1, x2, y2 in inputs.boxes_xyxy[image, real].tolist()
    ]  # fmt: skip
    anchors = place_loops.anchor_probs(
        inputs.anchor_priors[image, phrase, real].tolist(),
        inputs.box_scores[image, real].tolist(),
        inputs.anchor_colours[image, phrase, real].tolist(),
        [place_loops.area(box) for box in boxes],
        CONFIG,
    )
    return boxes, anchors


def expected_logits(inputs, image, phrase):
    """Return the logits of one phrase for the real boxes of one image, by slow loops."""
    boxes, anchors = boxes_and_anchors(inputs, image, phrase)
    real = inputs.box_mask[image].nonzero()[:, 0].tolist()

    def of(values):
        return values[image, real].tolist()

    scores, fits = of(inputs.box_scores), inputs.box_priors[image, phrase, real].tolist()
    single = [
        label > 0 and not merged
        for label, merged in zip(of(inputs.box_labels), of(inputs.box_is_merged), strict=True)
    ]
    cues = {CUES[n] for n in inputs.place_cues[image, phrase].nonzero()[:, 0]}
    relation = int(inputs.relations[image, phrase])
    by_order = place_loops.order_logits(
        boxes,
        place_loops.counted(fits, scores, single),
        int(inputs.place_ranks[image, phrase]),
        SIDES[inputs.place_sides[image, phrase]],
    )
    by_relation = place_loops.relation_logits(
        boxes, "" if relation < 0 else RELATIONS[relation], anchors
    )
    return [
        CONFIG.prior_side * place_loops.side_logit(box, cues)
        + CONFIG.prior_size * place_loops.size_logit(box, cues)
        + CONFIG.prior_order * order
        + CONFIG.prior_relation * beside
        for box, order, beside in zip(boxes, by_order, by_relation, strict=True)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_pair_has_the_logit_of_the_slow_loop(seed):
    inputs = placed_inputs(seed)
    found = place_logits(inputs, CONFIG)
    for image in range(B):
        real = inputs.box_mask[image]
        for phrase in range(P):
            np.testing.assert_allclose(
                found[image, phrase, real],
                expected_logits(inputs, image, phrase),
                rtol=1e-4,
                atol=1e-5,
            )


@pytest.mark.parametrize("name", WEIGHTS)
def test_each_kind_of_word_has_its_own_weight(name):
    inputs = placed_inputs()
    silent = dict.fromkeys(WEIGHTS, 0.0)
    once, twice = (
        place_logits(inputs, replace(CONFIG, **{**silent, name: weight})) for weight in (1.0, 2.0)
    )
    assert once.abs().max() > 0.01
    torch.testing.assert_close(twice, 2 * once)


def test_a_phrase_without_a_word_of_place_prefers_no_box():
    inputs = placed_inputs()
    inputs.place_cues[:], inputs.place_ranks[:], inputs.relations[:] = False, 0, -1
    assert not place_logits(inputs, CONFIG).any()


def mirrored(inputs):
    """Return the batch in a mirror: boxes within their image, and what phrases say."""
    columns = [mask.any(0).nonzero()[:, 0] for mask in inputs.pixel_mask]
    sums = torch.tensor([[float(one[0] + one[-1] + 1)] for one in columns])  # (B, 1)
    boxes = inputs.boxes_xyxy.clone()
    boxes[..., 0], boxes[..., 2] = (
        sums - inputs.boxes_xyxy[..., 2],
        sums - inputs.boxes_xyxy[..., 0],
    )

    def swapped(names, indices):
        other = [names.index(OPPOSITE.get(name, name)) for name in names]
        return torch.where(indices >= 0, torch.tensor(other)[indices.clamp(min=0)], -1)

    return replace(
        inputs,
        boxes_xyxy=boxes,
        place_cues=inputs.place_cues[..., [CUES.index(OPPOSITE.get(c, c)) for c in CUES]],
        place_sides=swapped(SIDES, inputs.place_sides),
        relations=swapped(RELATIONS, inputs.relations),
    )


def test_a_mirror_changes_no_logit():
    inputs = placed_inputs()
    torch.testing.assert_close(
        place_logits(mirrored(inputs), CONFIG), place_logits(inputs, CONFIG), rtol=1e-4, atol=1e-5
    )


def test_the_scale_of_the_picture_changes_no_logit():
    inputs = placed_inputs()
    larger = replace(
        inputs,
        boxes_xyxy=inputs.boxes_xyxy * 3,
        pixel_mask=inputs.pixel_mask.repeat_interleave(3, 1).repeat_interleave(3, 2),
    )
    torch.testing.assert_close(
        place_logits(larger, CONFIG), place_logits(inputs, CONFIG), rtol=1e-4, atol=1e-5
    )


def test_what_padding_boxes_hold_changes_no_logit_of_real_ones():
    inputs = placed_inputs()
    before = place_logits(inputs, CONFIG)
    padding = ~inputs.box_mask
    inputs.boxes_xyxy[padding] = torch.tensor([7.0, 3, 50, 40])
    inputs.box_scores[padding], inputs.box_labels[padding] = 1.0, 2
    for values in (inputs.box_priors, inputs.anchor_priors, inputs.anchor_colours):
        values.masked_fill_(padding[:, None], 1.0)
    after, real = place_logits(inputs, CONFIG), inputs.box_mask[:, None].expand(B, P, R)
    assert padding.any()
    assert after[real].equal(before[real])


def test_boxes_are_shares_of_what_is_seen_wherever_it_lies():
    inputs = tiny_inputs()
    inputs.pixel_mask[:] = False
    inputs.pixel_mask[0, 10:50, 20:40] = True
    inputs.boxes_xyxy[:, 0] = torch.tensor([25.0, 20, 40, 50])
    shares = boxes_as_shares(inputs)
    assert shares[0, 0].tolist() == pytest.approx([0.25, 0.25, 1, 1])
    assert shares[1, 0].tolist() == pytest.approx([25 / S, 20 / S, 40 / S, 50 / S])  # none is real


def test_the_cup_left_of_the_red_lamp_is_not_the_one_left_of_the_blue_lamp():
    inputs = tiny_inputs()
    inputs.boxes_xyxy[0] = torch.tensor(
        [[1.0, 20, 6, 25], [20, 20, 25, 25], [9, 20, 14, 25], [30, 20, 35, 25], [0, 0, 43, 61]]
    )  # cup, cup, blue lamp, red lamp, a window
    inputs.box_scores[0] = torch.tensor([0.9, 0.9, 0.9, 0.5, 0.0])
    inputs.relations[0], inputs.place_ranks[0], inputs.place_cues[0] = 0, 0, False
    inputs.anchor_priors[0] = torch.tensor([0.0, 0, 1, 1, 0])
    cups = []
    for colours in ([0.0, 0, 1, 0, 0.1], [0.0, 0, 0, 1, 0.1]):
        inputs.anchor_colours[0] = torch.tensor(colours)
        logits = place_logits(inputs, replace(CONFIG, prior_colour=1.0))[0, 0]
        cups.append(logits[0] - logits[1])
    assert cups[0] > 0
    assert logits[1] > 0
    assert cups[0] > cups[1]


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, [True, True, True, True, False]),
        ({"box_labels": [1, 1, 0, 7, 1]}, [True, True, False, True, False]),  # a window
        ({"box_is_merged": [False, True, False, False, False]}, [True, False, True, True, False]),
        ({"box_scores": [0.5, 0.2, 0.199, 0.21, 0.9]}, [True, True, False, True, False]),
        ({"box_scores": [0.0] * 5}, [True, True, True, True, False]),
        ({"fits": [0.5, 1.0, 0.99, 1.0, 1.0]}, [False, True, False, True, False]),
        ({"fits": [0.0] * 5}, [False] * 5),
    ],
)
def test_those_are_counted_that_fit_best_and_are_nearly_as_sure_as_the_surest(changes, counted):
    inputs = tiny_inputs()
    inputs.box_mask[0, 4] = False
    inputs.box_labels[0], inputs.box_is_merged[0], inputs.box_scores[0] = 1, False, 0.5
    inputs.box_priors[0] = torch.tensor(changes.get("fits", [0.5] * 5))
    for name in changes.keys() - {"fits"}:
        getattr(inputs, name)[0] = torch.tensor(changes[name])
    assert counted_boxes(inputs)[0].tolist() == [counted] * P


@pytest.mark.parametrize("boxes", [0, 1, R])
def test_any_number_of_boxes_without_area_or_score_has_finite_logits(boxes):
    inputs = placed_inputs(boxes=boxes)
    inputs.boxes_xyxy[..., 2:] = inputs.boxes_xyxy[..., :2]
    inputs.box_scores[:] = 0
    inputs.box_mask[1] = False
    found = place_logits(inputs, CONFIG)
    assert found.shape == (B, P, boxes)
    assert found.isfinite().all()
