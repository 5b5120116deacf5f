from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.priors.sentence import earlier_boxes, sentence_logits
from tests.models.grounder.tiny_grounder import B, E, P, R, tiny_config, tiny_inputs
from tests.oracles import sentence_loops

CONFIG = tiny_config(
    prior_weight=1.3, prior_floor=0.01, prior_score=0.7, prior_area=0.4, prior_number=0.9,
    prior_claim=2.3, prior_wearer=0.8, prior_part_area=-0.6,
)  # fmt: skip


def crowded(seed):
    """Return a batch whose boxes overlap much, and where some phrases fit nothing or all alike."""
    inputs = tiny_inputs(seed)
    inputs.boxes_xyxy[..., :2] /= 5
    inputs.earlier_priors[0, 2, 0] = 0
    inputs.earlier_priors[1, 0, 1, 3:] = 0.9  # on padding
    inputs.box_priors[0, 0] = 1
    inputs.box_priors[1, 1] = 0
    return inputs


def of_image(inputs, image):
    """Return the real boxes of an image as `sentence_loops` takes them."""
    height = int(inputs.pixel_mask[image].any(1).sum())
    width = int(inputs.pixel_mask[image].any(0).sum())
    return [
        (box.tolist(), float(score), bool(merged), sentence_loops.area(box) / (height * width))
        for box, score, merged, real in zip(
            inputs.boxes_xyxy[image].double(),
            inputs.box_scores[image].double(),
            inputs.box_is_merged[image],
            inputs.box_mask[image],
            strict=True,
        )
        if real
    ]


@pytest.mark.parametrize("seed", range(5))
def test_every_pair_has_the_logit_of_the_slow_loop(seed):
    inputs = crowded(seed)
    found = sentence_logits(inputs, CONFIG).double().numpy()
    assert found.shape == inputs.box_priors.shape
    for image in range(B):
        boxes = of_image(inputs, image)
        for phrase in range(P):
            earlier = [
                (fits[: len(boxes)].tolist(), bool(several))
                for fits, several in zip(
                    inputs.earlier_priors[image, phrase].double(),
                    inputs.earlier_is_plural[image, phrase],
                    strict=True,
                )
            ]
            asked = (
                inputs.box_priors[image, phrase, : len(boxes)].tolist(),
                int(inputs.wearers[image, phrase]),
                bool(inputs.phrase_is_body[image, phrase]),
            )
            expected = sentence_loops.sentence_logits(asked, earlier, boxes, CONFIG)
            np.testing.assert_allclose(
                found[image, phrase, : len(boxes)], expected, rtol=1e-4, atol=1e-5
            )


def a_man_and_a_woman():
    """Return a picture of two people beside each other, the first larger, and a hat on the second.

    Boxes: the first, the second, the second's hat, the first's shoe, a padded one.
    """
    inputs = tiny_inputs()
    inputs.boxes_xyxy[:] = torch.tensor(
        [[2.0, 2, 20, 60], [25, 10, 38, 60], [28, 10, 35, 17], [3, 50, 12, 60], [0, 0, 60, 60]]
    )
    inputs.box_mask[:] = torch.tensor([True, True, True, True, False])
    inputs.box_is_merged[:] = False
    inputs.box_scores[:] = 0.8
    inputs.earlier_priors[:] = 0
    inputs.earlier_priors[:, :, :, :2] = 1  # "a man" and "a woman" fit both people
    people = torch.tensor([1.0, 1, 0, 0, 0])
    inputs.box_priors[:] = people
    return replace(
        inputs,
        earlier_is_plural=torch.zeros(B, P, E, dtype=torch.bool),
        wearers=torch.full((B, P), -1),
        phrase_is_body=torch.zeros(B, P, dtype=torch.bool),
    )


def test_the_second_of_two_people_is_the_other_one_and_a_third_is_neither():
    inputs = a_man_and_a_woman()
    earlier = earlier_boxes(inputs, CONFIG)
    assert earlier.picks.unique(dim=0).tolist() == [[[0, 1]] * P]
    third = sentence_logits(inputs, CONFIG)[0, 0]
    torch.testing.assert_close(third[:2], torch.tensor([-2.3, -2.3]))
    inputs.earlier_priors[:, :, 1] = 0  # there is but one earlier phrase
    logits = sentence_logits(inputs, CONFIG)[0, 0]
    torch.testing.assert_close(logits[:4], torch.tensor([-2.3, 0.0, 0.0, 0.0]))


def test_boxes_without_an_area_claim_nothing():
    inputs = crowded(0)
    inputs.boxes_xyxy[..., 2:] = inputs.boxes_xyxy[..., :2] = 5
    assert earlier_boxes(inputs, CONFIG).claims.tolist() == torch.zeros(B, P, R).tolist()


def test_several_claim_nothing():
    inputs = a_man_and_a_woman()
    inputs.earlier_is_plural[:] = True
    assert not sentence_logits(inputs, CONFIG).any()


@pytest.mark.parametrize(("wearer", "best"), [(0, 3), (1, 2)])
def test_a_hat_is_where_its_wearer_is(wearer, best):
    inputs = a_man_and_a_woman()
    inputs.box_priors[:] = torch.tensor([0.0, 0, 1, 1, 0])
    inputs.wearers[:] = wearer
    logits = sentence_logits(inputs, CONFIG)[0, 0, :4]
    others = {2, 3} - {best}
    assert all(logits[best] > logits[other] + 1 for other in others)


def test_a_part_of_the_body_is_rather_a_small_box_and_a_shirt_of_any_size():
    inputs = a_man_and_a_woman()
    inputs.wearers[:] = 1
    shirt = sentence_logits(inputs, CONFIG)[0, 0]
    inputs.phrase_is_body[:] = True
    hand = sentence_logits(inputs, CONFIG)[0, 0]
    torch.testing.assert_close(shirt[1], shirt[2])  # both wholly inside
    share = 7 * 7 / (13 * 50)
    torch.testing.assert_close(hand[2] - shirt[2], torch.tensor(-0.6 * np.log(share)).float())
    torch.testing.assert_close(hand[1], shirt[1])


def test_what_nobody_visible_wears_competes_like_any_other_thing():
    inputs = a_man_and_a_woman()
    competing = sentence_logits(inputs, CONFIG)
    inputs.wearers[:] = 1
    inputs.earlier_priors[:, :, 1] = 0
    alone = sentence_logits(inputs, CONFIG)[0, 0]
    torch.testing.assert_close(alone[:4], torch.tensor([-2.3, 0.0, 0.0, 0.0]))
    assert competing[0, 0, 1] < 0


def test_without_proposals_there_is_nothing_to_say():
    assert sentence_logits(tiny_inputs(boxes=0), CONFIG).shape == (B, P, 0)
