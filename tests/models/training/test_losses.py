from dataclasses import replace

import pytest
import torch
from torchvision.ops import generalized_box_iou_loss

from models.training.contrastive_loss import contrastive_loss, matching_loss, negative_mask
from models.training.losses import compute_losses, loss_shares, mine_batch, regression_ramp
from models.training.regression_loss import PseudoLabelThresholds, giou_loss, regression_loss
from tests.models.grounder.tiny_grounder import (
    SPEC,
    WEIGHTS,
    tiny_grounder,
    tiny_inputs,
    tiny_scorer,
)


def _losses(inputs=None, progress=1.0, **changes):
    inputs = tiny_inputs() if inputs is None else inputs
    grounder = tiny_grounder(**changes)
    return compute_losses(grounder(inputs), inputs, grounder.spec, WEIGHTS, tiny_scorer(), progress)


@pytest.mark.parametrize(
    ("progress", "ramp"),
    [
        (0.0, 0.0),
        (0.1, 0.0),
        (0.15, 0.5),
        (0.2, 1.0),
        (1.0, 1.0),
    ],
)
def test_the_regression_is_ramped_from_its_start_to_twice_that(progress, ramp):
    assert regression_ramp(progress, start=0.1) == pytest.approx(ramp)


def test_a_start_of_zero_is_the_full_weight_at_once():
    assert regression_ramp(0.0, start=0.0) == 1.0


def test_the_total_is_the_weighted_sum():
    losses = _losses(progress=0.15)
    expected = (
        losses["reconstruction_loss"]
        + losses["contrastive_loss"]
        + 0.7 * losses["matching_loss"]
        + 0.05 * (losses["regression_loss"] + 0.5 * losses["giou_loss"])
        + losses["mining_loss"]
        + 0.5 * losses["area_loss"]
        + 0.8 * losses["place_loss"]
        + 0.6 * losses["withheld_loss"]
    )
    torch.testing.assert_close(losses["loss"], expected)


@pytest.mark.parametrize(
    ("changes", "off"),
    [
        ({"teacher": "contrastive"}, {"reconstruction_loss"}),
        ({"teacher": "reconstruction"}, {"contrastive_loss", "matching_loss"}),
        ({"teacher": "both"}, set()),
        ({"cam": "encode"}, {"mining_loss", "area_loss"}),
        ({"cam": "off"}, {"mining_loss", "area_loss"}),
        ({"place_weight": 0.0}, {"place_loss"}),
        ({"unfit_weight": 0.0}, {"withheld_loss"}),
    ],
)
def test_a_variant_turns_off_its_losses(changes, off):
    shares = loss_shares(replace(SPEC, **changes), WEIGHTS, progress=1.0)
    assert {name for name, share in shares.items() if share == 0} == off


def test_every_loss_is_above_zero_on_an_ordinary_batch():
    losses = _losses()
    assert {name for name, value in losses.items() if not value > 0} == set()


@pytest.mark.parametrize(("nouns", "boxes"), [(0, 5), (2, 0), (0, 0), (1, 1)])
def test_every_loss_and_gradient_is_finite_without_nouns_or_proposals(nouns, boxes):
    grounder, inputs = tiny_grounder(), tiny_inputs(nouns=nouns, boxes=boxes)
    losses = compute_losses(grounder(inputs), inputs, SPEC, WEIGHTS, tiny_scorer(), 1.0)
    losses["loss"].backward()
    assert {name for name, value in losses.items() if not value.isfinite()} == set()
    trained = [p for p in grounder.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


def test_a_batch_of_padding_alone_is_finite():
    inputs = tiny_inputs()
    nothing = {
        name: getattr(inputs, name) & False
        for name in ("phrase_mask", "token_mask", "word_mask", "box_mask", "noun_mask")
    }
    losses = _losses(replace(inputs, **nothing))
    assert {name for name, value in losses.items() if not value.isfinite()} == set()


def test_what_padding_holds_changes_no_loss():
    inputs = tiny_inputs()
    padding = {
        "word_ids": ~(inputs.word_mask & inputs.phrase_mask[..., None]),
        "token_ids": ~inputs.token_mask,
        "boxes_xyxy": ~inputs.box_mask,
        "box_scores": ~inputs.box_mask,
        "box_labels": ~inputs.box_mask,
        "noun_classes": ~inputs.noun_mask,
        "noun_confidences": ~inputs.noun_mask,
    }
    words = inputs.word_mask.clone()
    words[1, 2] = True  # of a phrase that is none
    changed = {"word_mask": words}
    for name, mask in padding.items():
        value = getattr(inputs, name)
        changed[name] = torch.where(
            mask.view(*mask.shape, *[1] * (value.ndim - mask.ndim)), 1, value
        )
    found = _losses(replace(inputs, **changed))
    for name, expected in _losses(inputs).items():
        torch.testing.assert_close(found[name], expected, msg=name)


def test_confidences_that_are_missing_are_asked_of_the_classifier():
    inputs, scorer = tiny_inputs(), tiny_scorer()
    unknown = inputs.noun_confidences.clone()
    unknown[0, 0, 0] = unknown[1, 0, 0] = -1
    side = (WEIGHTS.mining_px, WEIGHTS.mining_px)
    sized = torch.nn.functional.interpolate(inputs.clean_images, side, mode="bilinear")
    known = unknown.clone()
    for image in range(2):
        known[image, 0, 0] = scorer.probs(sized)[image, inputs.noun_classes[image, 0, 0]]
    found, expected = (
        _losses(replace(inputs, noun_confidences=values))["mining_loss"]
        for values in (unknown, known)
    )
    torch.testing.assert_close(found, expected)


def test_equal_proposals_are_finite():
    inputs = tiny_inputs()
    same = inputs.boxes_xyxy[:, :1].expand_as(inputs.boxes_xyxy)
    losses = _losses(replace(inputs, boxes_xyxy=same))
    assert {name for name, value in losses.items() if not value.isfinite()} == set()


@pytest.mark.parametrize("progress", [0.0, 1.0])
@pytest.mark.parametrize("teacher", ["reconstruction", "contrastive"])
def test_every_parameter_has_a_gradient_whatever_is_turned_off(progress, teacher):
    grounder, inputs = tiny_grounder(teacher=teacher), tiny_inputs()
    outputs = grounder(inputs)
    compute_losses(outputs, inputs, grounder.spec, WEIGHTS, tiny_scorer(), progress)[
        "loss"
    ].backward()
    missing = [n for n, p in grounder.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []


def test_mining_without_a_classifier_is_refused():
    grounder, inputs = tiny_grounder(), tiny_inputs()
    with pytest.raises(ValueError, match="noun scorer"):
        mine_batch(grounder(inputs), inputs, SPEC, WEIGHTS, None)
    unmined = replace(SPEC, cam="encode")
    for batch in (inputs, tiny_inputs(nouns=0)):
        mined = mine_batch(grounder(batch), batch, unmined, WEIGHTS, None)
        assert all(value.item() == 0 and value.requires_grad for value in vars(mined).values())


def test_predicted_boxes_are_drawn_to_the_most_probable_proposals():
    inputs = tiny_inputs()
    outputs = tiny_grounder()(inputs)
    real = inputs.phrase_mask
    best = outputs.box_probs.argmax(-1)[..., None].expand(-1, -1, 4)
    expected = generalized_box_iou_loss(
        outputs.pred_boxes_xyxy[real], inputs.boxes_xyxy.gather(1, best)[real], reduction="mean"
    )
    torch.testing.assert_close(_losses(inputs)["giou_loss"], expected)


def test_each_threshold_of_the_regression_is_told_by_its_own_name():
    inputs, outputs = tiny_inputs(), tiny_grounder()(tiny_inputs())
    limits = {"regression_iou": 0.02, "regression_gap": 0.2, "regression_gate": 0.5}
    weights = replace(WEIGHTS, **limits)
    losses = compute_losses(outputs, inputs, SPEC, weights, tiny_scorer(), 1.0)
    thresholds = PseudoLabelThresholds(iou=0.02, margin=0.2, min_confidence=0.5)
    masks = (inputs.phrase_mask, inputs.box_mask)
    shared = (inputs.boxes_xyxy, outputs.box_probs, masks, thresholds)
    expected = regression_loss(outputs.box_deltas, *shared)
    torch.testing.assert_close(losses["regression_loss"], expected)
    torch.testing.assert_close(losses["giou_loss"], giou_loss(outputs.pred_boxes_xyxy, *shared))


def test_each_contrast_is_told_by_its_own_name():
    inputs, outputs = tiny_inputs(), tiny_grounder()(tiny_inputs())
    negatives = negative_mask(inputs.token_ids, inputs.token_mask, inputs.phrase_mask)
    phrases, boxes = outputs.phrase_embeddings, outputs.box_embeddings
    losses, real = _losses(inputs), inputs.phrase_mask
    expected = contrastive_loss(phrases, boxes, real, inputs.box_mask, negatives, 0.1)
    torch.testing.assert_close(losses["contrastive_loss"], expected)
    expected = matching_loss(phrases, boxes, outputs.box_probs, real, negatives, 0.1)
    torch.testing.assert_close(losses["matching_loss"], expected)
    assert not torch.isclose(losses["contrastive_loss"], expected)


def test_only_head_nouns_are_mined_unless_all_are_asked_for():
    heads, every = tiny_grounder()(tiny_inputs()), tiny_grounder(cam_nouns="all")(tiny_inputs())
    assert heads.mined_mask.tolist() == [
        [[True, False], [True, False], [True, False]],
        [[True, False], [False, False], [False, False]],
    ]
    assert every.mined_mask[0].tolist() == [[True, True], [True, False], [True, True]]


def test_a_few_steps_on_one_batch_lower_the_loss():
    grounder, inputs, scorer = tiny_grounder(), tiny_inputs(), tiny_scorer()
    optimiser = torch.optim.Adam([p for p in grounder.parameters() if p.requires_grad], lr=0.01)
    totals = []
    for _ in range(8):
        losses = compute_losses(grounder(inputs), inputs, SPEC, WEIGHTS, scorer, 1.0)
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        totals.append(losses["loss"].item())
    assert totals[-1] < 0.9 * totals[0]


def test_beside_the_losses_stand_how_sharp_the_choice_is_and_what_mining_saw():
    losses = _losses()
    mined = mine_batch(*_batch_of(tiny_inputs()))
    assert losses["intact_prob"] == mined.intact_prob
    assert losses["blank_prob"] == mined.blank_prob
    inputs = tiny_inputs()
    probs = tiny_grounder()(inputs).box_probs.detach().double()[inputs.phrase_mask]  # (phrases, R)
    entropies = -torch.xlogy(probs, probs).sum(-1)
    expected = {"best_prob": probs.amax(-1).mean(), "box_entropy": entropies.mean()}
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-5)


def _batch_of(inputs):
    grounder = tiny_grounder()
    return grounder(inputs), inputs, grounder.spec, WEIGHTS, tiny_scorer()
