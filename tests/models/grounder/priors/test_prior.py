from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.priors.place import place_logits
from models.grounder.priors.prior import prior_logits
from models.grounder.priors.sentence import sentence_logits
from tests.models.grounder.tiny_grounder import B, tiny_config, tiny_inputs
from tests.oracles import prior_loops

CONFIG = tiny_config(
    prior_weight=1.3,
    prior_floor=0.01,
    prior_score=0.7,
    prior_score_unfit=0.3,
    prior_area=0.4,
    prior_area_unfit=0.2,
    prior_number=2.0,
    prior_colour=0.9,
    prior_side=0.0,
    prior_size=0.0,
    prior_order=0.0,
    prior_relation=0.0,
    prior_claim=0.0,
    prior_wearer=0.0,
    prior_part_area=0.0,
)


def test_every_pair_has_the_logit_of_the_slow_loop():
    inputs = tiny_inputs()
    inputs.box_priors[0, 1] = 0  # no label fits
    inputs.box_priors[1, 0] = 1  # every label fits
    inputs.box_colours[0, 2] = 0  # names no colour
    inputs.box_colours[1, 1, :3] = 0  # names one that is in no box but in padding
    found = prior_logits(inputs, CONFIG).double().numpy()
    for image in range(B):
        height = int(inputs.pixel_mask[image].any(1).sum())
        width = int(inputs.pixel_mask[image].any(0).sum())
        x1, y1, x2, y2 = inputs.boxes_xyxy[image].double().numpy().T
        real = inputs.box_mask[image].numpy()
        expected = prior_loops.prior_logits(
            inputs.box_priors[image].double().numpy(),
            inputs.box_colours[image].double().numpy(),
            (
                inputs.box_scores[image].double().numpy(),
                inputs.box_is_merged[image].numpy(),
                real,
                (x2 - x1) * (y2 - y1) / (height * width),
            ),
            inputs.phrase_is_plural[image].numpy(),
            CONFIG,
        )
        np.testing.assert_allclose(found[image][:, real], expected[:, real], rtol=1e-5)


def test_two_men_are_in_the_merged_box_and_a_man_is_not():
    inputs = tiny_inputs()
    inputs.box_priors[:] = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])
    flat = replace(CONFIG, prior_score=0.0, prior_area=0.0, prior_colour=0.0)
    best = prior_logits(inputs, flat)[0].argmax(-1)
    plural = inputs.phrase_is_plural[0]
    assert inputs.box_is_merged[0][best].tolist() == plural.tolist() == [True, False, False]


def test_a_thing_that_no_label_fits_is_in_no_merged_box_and_several_may_be_anywhere():
    inputs = tiny_inputs()
    inputs.box_priors[:] = 0.0
    flat = replace(CONFIG, prior_score_unfit=0.0, prior_area_unfit=0.0, prior_colour=0.0)
    found = prior_logits(inputs, flat)[0]  # (P, R); of the phrases the first is plural
    merged = inputs.box_is_merged[0]
    assert merged.any()
    assert found[0].eq(0).all()
    assert found[1:, merged].eq(-2).all()
    assert found[1:, ~merged].eq(0).all()


def test_a_red_cup_is_where_most_red_is_and_little_else():
    inputs = tiny_inputs()
    sides = torch.tensor([[4.0, 4.0], [20.0, 20.0], [40.0, 40.0], [30.0, 30.0], [8.0, 8.0]])
    inputs.boxes_xyxy[0] = torch.cat([torch.zeros(5, 2), sides], dim=-1)
    inputs.box_colours[0, 0] = torch.tensor([1.0, 0.9, 0.2, 0.0, 1.0])  # of (4, 20, 40, 30, 8) px
    alone = replace(
        CONFIG,
        prior_weight=0.0,
        prior_score=0.0,
        prior_score_unfit=0.0,
        prior_area=0.0,
        prior_area_unfit=0.0,
        prior_number=0.0,
    )
    # share x side: 4, 18, 8, 0, 8
    ranks = prior_logits(inputs, alone)[0, 0].argsort(descending=True)
    assert ranks[0] == 1
    assert set(ranks[1:3].tolist()) == {2, 4}
    assert ranks[3:].tolist() == [0, 3]


def test_what_is_said_of_the_place_is_added():
    inputs = tiny_inputs()
    placed = tiny_config()
    silent = replace(placed, prior_side=0.0, prior_size=0.0, prior_order=0.0, prior_relation=0.0)
    by_place = place_logits(inputs, placed)
    assert by_place.std() > 0.1
    torch.testing.assert_close(
        prior_logits(inputs, placed), prior_logits(inputs, silent) + by_place
    )


def test_what_the_sentence_says_is_added():
    inputs = tiny_inputs()
    told = tiny_config()
    silent = replace(told, prior_claim=0.0, prior_wearer=0.0, prior_part_area=0.0)
    by_sentence = sentence_logits(inputs, told)
    assert by_sentence.std() > 0.1
    torch.testing.assert_close(
        prior_logits(inputs, told), prior_logits(inputs, silent) + by_sentence
    )


def test_fits_on_padding_tell_nothing():
    inputs = tiny_inputs()
    inputs.box_priors[1] = 0
    inputs.box_priors[1, :, 3:] = 1  # image 1 has three boxes
    flat = replace(
        CONFIG, prior_score_unfit=0.0, prior_area_unfit=0.0, prior_number=0.0, prior_colour=0.0
    )
    found = prior_logits(inputs, flat)
    assert found[1].eq(0).all()


@pytest.mark.parametrize("boxes", [0, 1])
def test_few_boxes_and_boxes_without_area_have_finite_logits(boxes):
    inputs = tiny_inputs(boxes=boxes)
    inputs.boxes_xyxy[..., 2:] = inputs.boxes_xyxy[..., :2]
    inputs.box_scores[:] = 0
    found = prior_logits(inputs, CONFIG)
    assert found.shape == (B, 3, boxes)
    assert found.isfinite().all()
