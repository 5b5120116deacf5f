"""Which loss reaches what, what padding may change, and every variant once."""

from dataclasses import fields, replace

import pytest
import torch

from models.grounder.box_scorer import cam_statistics
from models.grounder.config import GrounderConfig
from models.grounder.grounder import masked_mean
from models.grounder.priors.prior import prior_logits
from models.layers.attention import TokenSet
from models.training.losses import compute_losses
from models.training.training_step import TrainingStep
from tests.models.grounder.tiny_grounder import (
    WEIGHTS,
    B,
    E,
    K,
    P,
    R,
    tiny_grounder,
    tiny_inputs,
    tiny_scorer,
)

PRIOR = tuple(
    field.name
    for field in fields(GrounderConfig)
    if field.name.startswith("prior_") and field.name != "prior_floor"
)
READ_BY_EVALUATION = ("box_probs", "pred_boxes_xyxy", "refined_boxes_xyxy")
EVERYTHING = {
    "visual_encoder",
    "language_encoder",
    "phrase_embedding",
    "cam_encoder",
    "fusion",
    "proposal_encoder",
    "scorer",
    "decoder",
    "head",
}


def _reached(loss_name, **changes):
    """Return the parts of a grounder that a loss gives a gradient other than zero."""
    grounder, inputs = tiny_grounder(**changes), tiny_inputs()
    losses = compute_losses(
        grounder(inputs), inputs, grounder.spec, WEIGHTS, tiny_scorer(), progress=1.0
    )
    losses[loss_name].backward()
    return {
        name.split(".")[0]
        for name, parameter in grounder.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }


def test_reconstruction_reaches_everything_but_the_box_head():
    assert _reached("reconstruction_loss") == EVERYTHING - {"head"}


def test_the_contrast_reaches_what_boxes_and_phrases_are_embedded_by():
    expected = {
        "visual_encoder",
        "language_encoder",
        "phrase_embedding",
        "proposal_encoder",
        "scorer",
    }
    assert _reached("contrastive_loss") == expected


def test_matching_reaches_what_the_scores_come_from():
    assert _reached("matching_loss") == EVERYTHING - {"head", "decoder"}


@pytest.mark.parametrize("loss", ["regression_loss", "giou_loss"])
def test_regression_reaches_head_and_encoders_but_neither_scores_nor_proposals(loss):
    expected = EVERYTHING - {"scorer", "decoder", "proposal_encoder"}
    assert _reached(loss) == expected


def test_regression_of_every_proposal_reaches_their_features_too():
    expected = EVERYTHING - {"scorer", "decoder"}
    assert _reached("regression_loss", head="per_proposal") == expected


@pytest.mark.parametrize("loss", ["mining_loss", "area_loss"])
def test_mining_reaches_the_cam_encoder_only(loss):
    assert _reached(loss) == {"cam_encoder"}


def test_the_frozen_stem_gets_no_gradient_from_anything():
    grounder, inputs = tiny_grounder(), tiny_inputs()
    losses = compute_losses(grounder(inputs), inputs, grounder.spec, WEIGHTS, tiny_scorer(), 1.0)
    losses["loss"].backward()
    frozen = [p for p in grounder.visual_encoder.backbone.parameters() if not p.requires_grad]
    assert frozen
    assert all(parameter.grad is None for parameter in frozen)


def test_language_reaches_z_only_through_the_weights():
    grounder, inputs = tiny_grounder(), tiny_inputs(boxes=1)
    other = replace(inputs, token_ids=inputs.token_ids.flip(-1) % 7 + 1, cams=inputs.cams.flip(-1))
    first, second = grounder(inputs), grounder(other)
    assert not first.phrase_embeddings.allclose(second.phrase_embeddings, atol=1e-4)
    torch.testing.assert_close(first.attended, second.attended)


def test_the_prior_is_added_to_the_bounded_learned_score():
    inputs = tiny_inputs()
    nothing = dict.fromkeys(PRIOR, 0.0)
    off = {"cam_weight": 0.0, "place_weight": 0.0, "unfit_weight": 0.0}
    plain = tiny_grounder(**nothing, **off)(inputs).box_logits
    assert plain[inputs.box_mask[:, None].expand(B, P, R)].abs().max() <= 2
    grounder = tiny_grounder(**off)
    expected = plain + prior_logits(inputs, grounder.spec)
    torch.testing.assert_close(grounder(inputs).box_logits[0], expected[0])


def test_the_learned_score_counts_less_where_a_label_fits_and_the_noun_says_all():
    inputs = tiny_inputs()
    inputs.box_priors[0, 1] = 0  # plain, and fits no label
    whole, less = (tiny_grounder(score_plain=value)(inputs).learned_logits for value in (1.0, 0.3))
    is_less = torch.tensor([[False, False, False], [True, False, True]])  # image 1, plain phrases
    torch.testing.assert_close(less[is_less], 0.3 * whole[is_less])
    assert less[~is_less].equal(whole[~is_less])
    assert whole[is_less].abs().min() > 0


def test_the_learned_score_counts_less_where_no_label_fits():
    inputs = tiny_inputs()
    inputs.box_priors[0, 1] = 0
    inputs.box_priors[1, 1] = 1.0  # every box alike: no label tells anything
    whole, less = (tiny_grounder(score_unfit=value)(inputs).learned_logits for value in (1.0, 0.3))
    is_less = torch.tensor([[False, True, False], [False, True, False]])
    torch.testing.assert_close(less[is_less], 0.3 * whole[is_less])
    assert less[~is_less].equal(whole[~is_less])
    assert whole[is_less].abs().min() > 0


def test_boxes_are_ranked_by_the_learned_or_by_the_raw_map():
    inputs = tiny_inputs()
    learned, raw = (tiny_grounder(cam_ranks=ranks)(inputs) for ranks in ("learned", "raw"))
    assert raw.attention_maps.equal(learned.attention_maps)
    assert raw.learned_logits.equal(learned.learned_logits)
    assert not raw.cam_logits.allclose(learned.cam_logits, atol=0.01)
    unmoved = tiny_grounder(cam_ranks="learned")
    torch.nn.init.zeros_(unmoved.cam_encoder.shift.weight)
    torch.nn.init.zeros_(unmoved.cam_encoder.shift.bias)
    torch.testing.assert_close(unmoved(inputs).cam_logits, raw.cam_logits)


def test_a_score_comes_with_its_five_parts():
    inputs = tiny_inputs()
    inputs.box_priors[0, 1] = 0
    outputs = tiny_grounder(cam_weight=2.0).eval()(inputs)
    real = inputs.box_mask[:, None].expand(B, P, R)
    parts = (outputs.prior_logits, outputs.cam_logits, outputs.learned_logits)
    parts += (outputs.reading_logits, outputs.unfit_logits)
    assert outputs.reading_logits.any()
    assert outputs.unfit_logits.any()
    torch.testing.assert_close(sum(parts)[real], outputs.box_logits[real])
    assert outputs.prior_logits.equal(prior_logits(inputs, tiny_grounder().spec))
    others = tiny_grounder(cam_weight=0.0).eval()(inputs)
    assert others.cam_logits.eq(0).all()
    assert others.learned_logits.equal(outputs.learned_logits)


def test_without_a_learned_score_the_prior_decides_alone_and_every_weight_still_has_a_gradient():
    inputs = tiny_inputs()
    grounder = tiny_grounder(score_bound=0.0, cam_weight=0.0, place_weight=0.0, unfit_weight=0.0)
    outputs = grounder(inputs)
    real = inputs.box_mask[:, None].expand(B, P, R)
    expected = prior_logits(inputs, grounder.spec)
    assert outputs.box_logits[real].equal(expected[real])
    (outputs.box_logits[real].sum() + outputs.box_embeddings.sum()).backward()
    assert all(weight.grad is not None for weight in grounder.scorer.parameters())


def test_what_came_pretrained_can_be_kept_and_costs_no_gradient():
    grounder, inputs = tiny_grounder(language_pretrained=True), tiny_inputs()
    new = {id(parameter) for parameter in grounder.new_parameters()}
    grounder.train_pretrained(False)
    assert grounder.training
    assert not grounder.language_encoder.training
    assert grounder.pretrained_parameters() == []
    assert {id(parameter) for parameter in grounder.new_parameters()} == new
    grounder(inputs).reconstruction_logits.sum().backward()
    kept = [grounder.visual_encoder.backbone, grounder.language_encoder]
    assert all(weight.grad is None for module in kept for weight in module.parameters())
    assert grounder.phrase_embedding.weight.grad.any()


def test_a_box_full_of_attention_gains_by_the_weight_of_the_cam():
    inputs = tiny_inputs()
    plain = tiny_grounder(cam_weight=0.0)(inputs)
    weighted = tiny_grounder(cam_weight=2.0)(inputs)
    maps, heads = weighted.attention_maps[:1], weighted.mined_mask[:1].float()
    statistics = cam_statistics(maps, heads, inputs.boxes_xyxy[:1], image_px=67)
    gain = weighted.box_logits[0] - plain.box_logits[0]
    torch.testing.assert_close(gain, 2 * statistics.log_density[0])


def _noise(inputs, name, mask):
    values = getattr(inputs, name)
    mask = mask.view(mask.shape + (1,) * (values.ndim - mask.ndim))
    noise = torch.full_like(values, 3)
    return replace(inputs, **{name: torch.where(mask, values, noise)})


@pytest.mark.parametrize(
    "kind",
    ["pixels", "boxes", "scores", "priors", "colours", "others", "nouns", "tokens", "phrases"],
)
def test_padding_is_inert(kind):
    inputs = tiny_inputs()
    phrase, noun = inputs.phrase_mask, inputs.noun_mask & inputs.phrase_mask[..., None]
    pixel_mask = inputs.pixel_mask[:, None].expand_as(inputs.images)
    pairs = inputs.box_mask[:, None].expand(B, P, R)
    changed = {
        "pixels": _noise(inputs, "images", pixel_mask),
        "boxes": _noise(inputs, "boxes_xyxy", inputs.box_mask),
        "priors": _noise(inputs, "box_priors", pairs),
        "scores": _noise(inputs, "box_scores", inputs.box_mask),
        "colours": _noise(inputs, "box_colours", pairs),
        "others": _noise(
            _noise(_noise(inputs, "anchor_priors", pairs), "anchor_colours", pairs),
            "earlier_priors",
            pairs[:, :, None].expand(B, P, E, R),
        ),
        "nouns": _noise(_noise(inputs, "cams", noun), "noun_classes", noun),
        "tokens": _noise(inputs, "token_ids", inputs.token_mask),
        "phrases": _noise(_noise(inputs, "token_ids", phrase), "relations", phrase),
    }[kind]
    grounder, real = tiny_grounder(), inputs.phrase_mask
    before, after = grounder(inputs), grounder(changed)
    for name in READ_BY_EVALUATION:
        torch.testing.assert_close(getattr(after, name)[real], getattr(before, name)[real])
    losses = [
        compute_losses(out, batch, grounder.spec, WEIGHTS, tiny_scorer(), 1.0)["loss"]
        for out, batch in ((before, inputs), (after, changed))
    ]
    torch.testing.assert_close(losses[0], losses[1])


def test_phrases_of_an_image_share_it_exactly():
    inputs, grounder = tiny_inputs(), tiny_grounder()
    per_phrase = (
        "phrase_mask",
        "phrase_is_plural",
        "phrase_is_plain",
        "token_ids",
        "token_mask",
        "word_ids",
        "word_mask",
        "place_word_ids",
        "box_priors",
        "box_colours",
        "place_cues",
        "place_ranks",
        "place_sides",
        "relations",
        "anchor_priors",
        "anchor_colours",
        "earlier_priors",
        "earlier_is_plural",
        "wearers",
        "phrase_is_body",
        "cams",
        "noun_mask",
        "noun_roles",
        "noun_classes",
        "noun_confidences",
    )
    alone = replace(inputs, **{name: getattr(inputs, name)[:, 1:2] for name in per_phrase})
    together, apart = grounder(inputs), grounder(alone)
    for name in (*READ_BY_EVALUATION, "attention_maps", "reconstruction_logits"):
        torch.testing.assert_close(getattr(together, name)[:, 1:2], getattr(apart, name))


def test_the_image_is_encoded_once_for_all_its_phrases():
    grounder, seen = tiny_grounder(), []
    grounder.visual_encoder.register_forward_hook(lambda _m, args, _o: seen.append(args[0].shape))
    grounder(tiny_inputs())
    assert [shape[0] for shape in seen] == [B]


@pytest.mark.parametrize("head", ["reg_token", "per_proposal"])
def test_without_proposals_a_box_is_still_predicted(head):
    outputs = tiny_grounder(head=head)(tiny_inputs(boxes=0))
    assert outputs.box_logits.shape == (B, P, 0)
    sides = outputs.pred_boxes_xyxy[..., 2:] - outputs.pred_boxes_xyxy[..., :2]
    assert (sides > 0).all()


def test_without_a_real_proposal_offsets_fall_back_on_the_whole_image():
    inputs = tiny_inputs()
    inputs = replace(inputs, box_mask=inputs.box_mask & torch.tensor([[True], [False]]))
    boxes = tiny_grounder(head="per_proposal")(inputs).refined_boxes_xyxy
    assert boxes[1].tolist() == [[0, 0, 67, 53]] * P


def test_the_reg_box_does_not_look_at_proposals():
    grounder = tiny_grounder()
    torch.testing.assert_close(
        grounder(tiny_inputs()).pred_boxes_xyxy,
        grounder(replace(tiny_inputs(), box_mask=torch.zeros(B, R).bool())).pred_boxes_xyxy,
    )


def test_a_single_proposal_takes_all_the_probability():
    assert tiny_grounder()(tiny_inputs(boxes=1)).box_probs[0].eq(1).all()


def test_the_refined_box_is_the_most_probable_proposal_after_its_offset():
    inputs, grounder = tiny_inputs(), tiny_grounder(head="per_proposal")
    torch.nn.init.zeros_(grounder.head.last.weight)
    torch.nn.init.zeros_(grounder.head.last.bias)
    outputs = grounder(inputs)
    best = outputs.box_logits.argmax(-1)
    expected = torch.stack([inputs.boxes_xyxy[image, best[image]] for image in range(B)])
    torch.testing.assert_close(outputs.refined_boxes_xyxy, expected)


@pytest.mark.parametrize(("kept", "drops"), [(True, False), (False, True)])
def test_dropout_of_a_pretrained_part_rests_where_it_is_kept(kept, drops):
    grounder = tiny_grounder(language_pretrained=True, dropout=0.4)
    grounder.train_pretrained(not kept)
    step = TrainingStep(grounder, None, WEIGHTS, "fp32").eval().train()  # as after a check
    inputs = tiny_inputs()
    ids, mask = inputs.token_ids[0], inputs.token_mask[0]
    first, second = grounder.language_encoder(ids, mask), grounder.language_encoder(ids, mask)
    assert torch.equal(first, second) != drops
    assert step.training
    assert grounder.fusion.training
    assert grounder.visual_encoder.backbone.training != kept


def test_pretrained_and_new_parameters_are_all_that_is_trained():
    grounder = tiny_grounder(language_pretrained=True)
    old, new = grounder.pretrained_parameters(), grounder.new_parameters()
    trained = {id(p) for p in grounder.parameters() if p.requires_grad}
    assert {id(p) for p in old} | {id(p) for p in new} == trained
    assert len(old) + len(new) == len(trained)
    assert {id(p) for p in grounder.language_encoder.parameters()} < {id(p) for p in old}


def test_a_language_encoder_from_scratch_is_new():
    grounder = tiny_grounder()
    new = {id(p) for p in grounder.new_parameters()}
    assert {id(p) for p in grounder.language_encoder.parameters()} < new


VARIANTS = [
    *[{"levels": levels} for levels in ("3", "4", "5", "3+4", "3+5", "4+5")],
    *[{"fusion": kind} for kind in ("single", "conv1x1")],
    *[{"cam": kind} for kind in ("off", "encode")],
    *[{"cam_input": kind} for kind in ("map", "feature")],
    *[{"teacher": kind} for kind in ("reconstruction", "contrastive")],
    {"head": "per_proposal"},
    {"cam_nouns": "all"},
    {"reg_token": "learned"},
    {"depth": "2+1", "visual_window": 0},
    {"fusion_layers": 1},
    {"cam_blocks": 3},
    {"bgr": True},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_variant_runs_forward_and_backward(changes):
    grounder, inputs = tiny_grounder(**changes), tiny_inputs()
    outputs = grounder(inputs)
    losses = compute_losses(outputs, inputs, grounder.spec, WEIGHTS, tiny_scorer(), 1.0)
    losses["loss"].backward()
    missing = [n for n, p in grounder.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []
    assert losses["loss"].isfinite()


def test_outputs_have_the_promised_shapes():
    outputs = tiny_grounder()(tiny_inputs())
    assert outputs.box_logits.shape == outputs.box_probs.shape == (B, P, R)
    assert outputs.pred_boxes_xyxy.shape == outputs.refined_boxes_xyxy.shape == (B, P, 4)
    assert outputs.attention_maps.shape == (B, P, K, 3, 3)
    assert outputs.box_deltas.shape == (B, P, R, 4)


def test_a_mean_is_of_the_real_tokens_and_zero_without_one():
    tokens = torch.tensor([[1.0, 10], [3, 30], [7, 70]]).expand(1, 3, 3, 2)
    mask = torch.tensor([[[True, False, True], [False, True, False], [False] * 3]])
    assert masked_mean(TokenSet(tokens, mask)).tolist() == [[[4, 40], [3, 30], [0, 0]]]
