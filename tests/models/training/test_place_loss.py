from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from models.grounder.place_reader import PlaceReader
from models.training.place_loss import place_loss
from tests.models.grounder.tiny_grounder import tiny_config, tiny_grounder, tiny_inputs
from tests.oracles import reading_loops


def batch():
    """Return a batch of which two phrases of image 0 and one of image 1 say a place."""
    inputs = tiny_inputs()
    inputs.place_ranks[:] = torch.tensor([[0, 0, 2], [0, 0, 0]])
    inputs.place_word_ids[:] = 0
    for image, phrase, word in ((0, 0, 4), (0, 1, 6), (0, 2, 5), (1, 1, 9), (1, 2, 3)):
        inputs.place_word_ids[image, phrase, 0] = word  # image 1 has no third phrase
    return inputs


TOLD = [(0, 0), (0, 1), (1, 1)]


def test_the_loss_equals_a_slow_sum_over_the_boxes_that_may_be_meant():
    inputs = batch()
    outputs = tiny_grounder()(inputs)
    losses = []
    for image, phrase in TOLD:
        real = inputs.box_mask[image]
        parts = (outputs.learned_logits, outputs.prior_logits, outputs.cam_logits)
        rests = sum(part[image, phrase, real].detach().double() for part in parts)
        losses.append(
            reading_loops.place_loss(
                rests.tolist(),
                outputs.place_log_probs[image, phrase, real].tolist(),
                outputs.usual_log_probs[image, phrase].item(),
            )
        )
    assert place_loss(outputs, inputs).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_only_the_reader_learns():
    inputs, grounder = batch(), tiny_grounder()
    place_loss(grounder(inputs), inputs).backward()
    reached = {name.split(".")[0] for name, p in grounder.named_parameters() if p.grad is not None}
    assert reached == {"place_reader"}


def test_phrases_that_tell_no_place_or_whose_image_has_no_box_cost_nothing():
    inputs = batch()
    inputs.place_ranks[0], inputs.box_mask[1] = 2, False
    assert place_loss(tiny_grounder()(inputs), inputs) == 0
    assert place_loss(tiny_grounder()(tiny_inputs(boxes=0)), tiny_inputs(boxes=0)) == 0
    nothing = replace(batch(), place_word_ids=torch.zeros_like(inputs.place_word_ids))
    assert place_loss(tiny_grounder()(nothing), nothing) == 0


def pairs_of_things(images=64, told=0.25):
    """Return boxes of two like things, which of them is meant, and whether other scores tell."""
    rng = np.random.default_rng(1)
    lefts = np.stack([rng.uniform(0, 18, images), rng.uniform(26, 44, images)], axis=1)
    boxes = np.stack([lefts, np.full_like(lefts, 20), lefts + 12, np.full_like(lefts, 33)], axis=-1)
    meant = torch.tensor(rng.integers(0, 2, images))
    return torch.tensor(boxes).float(), meant, torch.tensor(rng.random(images) < told)


def pictures_of_pairs(boxes_xyxy, meant):
    """Return a batch with a phrase an image, the word 7 if the left box is meant, else 4."""
    one = tiny_inputs(boxes=2)
    every = torch.zeros(len(meant), dtype=torch.long)  # image 0 again and again
    values = {field.name: getattr(one, field.name)[every] for field in fields(one)}
    per_phrase = one.phrase_mask.shape[1]
    values = {
        name: value[:, :1] if value.shape[1] == per_phrase and value.ndim < 4 else value
        for name, value in values.items()
    }
    inputs = replace(one, **values)
    inputs.pixel_mask[:], inputs.box_mask[:], inputs.place_ranks[:] = True, True, 0
    inputs.boxes_xyxy[:], inputs.anchor_priors[:], inputs.place_word_ids[:] = boxes_xyxy, 0, 0
    inputs.place_word_ids[:, 0, 0] = torch.tensor([7, 4])[meant]
    return inputs


def outputs_with(rest):
    """Return outputs whose scores without a reading are `rest`, and that tell no place yet."""
    outputs = tiny_grounder()(tiny_inputs())
    return replace(outputs, learned_logits=rest, prior_logits=rest * 0, cam_logits=rest * 0)


def test_words_learned_where_the_thing_is_known_tell_like_things_apart_elsewhere():
    torch.manual_seed(0)
    config = tiny_config(place_dim=17, place_weight=1.0)
    reader = PlaceReader(config, 19, 2)
    reader.learn_words((7, 4))
    optimiser = torch.optim.Adam(reader.parameters(), lr=0.003)
    boxes, meant, is_told = pairs_of_things()
    inputs = pictures_of_pairs(boxes, meant)
    rest = -9.0 * (1 - torch.eye(2)[meant]) * is_told[:, None]  # (images, 2)
    outputs = outputs_with(rest[:, None])
    for _ in range(120):
        read = reader(inputs, config)
        told = replace(outputs, place_log_probs=read.log_probs, usual_log_probs=read.usual)
        loss = place_loss(told, inputs)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = reader(inputs, config).logits[:, 0].argmax(-1)
    assert (found == meant)[~is_told].float().mean() > 0.95
