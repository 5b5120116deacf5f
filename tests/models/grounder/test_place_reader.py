from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.place_reader import PlaceReader, measure_places, no_reading
from tests.models.grounder.priors.test_place import CONFIG, boxes_and_anchors, placed_inputs
from tests.models.grounder.tiny_grounder import NUM_WORDS, B, P, R
from tests.oracles import model_loops, reading_loops

KNOWN = (5, 3, 11, 7)  # ids of the words of place; the others of NUM_WORDS are none
CONFIG = replace(CONFIG, place_weight=0.6, place_order=1.1, place_dim=9)


def made_reader(seed=0):
    torch.manual_seed(seed)
    reader = PlaceReader(CONFIG, NUM_WORDS, len(KNOWN))
    torch.nn.init.normal_(reader.usual_words)
    reader.learn_words(KNOWN)
    return reader


def read_slowly(reader, inputs, image, phrase):
    """Return log p(words | box) of every real box and log p(words), by slow loops."""
    state = {name: value.double().numpy() for name, value in reader.state_dict().items()}
    boxes, anchors = boxes_and_anchors(inputs, image, phrase)
    words = reading_loops.words_of_measures(state, reading_loops.measures(boxes, anchors))
    ids = inputs.place_word_ids[image, phrase].tolist()
    rows = [KNOWN.index(word) for word in ids if word in KNOWN]
    usual = np.log(model_loops.softmax(4.0 * state["usual_words"]))
    return reading_loops.phrase_log_probs(words, rows), sum(usual[row] for row in rows)


PHRASES = [(image, phrase) for image in range(B) for phrase in range(P)]


@pytest.mark.parametrize(("image", "phrase"), PHRASES)
def test_measures_equal_slow_ones(image, phrase):
    inputs = placed_inputs()
    inputs.boxes_xyxy[:, 2, 2:] = inputs.boxes_xyxy[:, 2, :2]  # a box without an area
    expected = reading_loops.measures(*boxes_and_anchors(inputs, image, phrase))
    found = measure_places(inputs, CONFIG)[image, phrase, inputs.box_mask[image]]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("image", "phrase"), PHRASES)
def test_probabilities_of_words_equal_slow_ones(image, phrase):
    inputs, reader = placed_inputs(), made_reader()
    log_probs, usual = read_slowly(reader, inputs, image, phrase)
    reading = reader(inputs, CONFIG)
    found = reading.log_probs[image, phrase, inputs.box_mask[image]]
    np.testing.assert_allclose(found.detach().numpy(), log_probs, rtol=1e-4, atol=1e-4)
    assert reading.usual[image, phrase].item() == pytest.approx(usual, rel=1e-4)


def test_what_words_say_is_how_much_likelier_the_box_makes_them():
    inputs, reader = placed_inputs(), made_reader()
    inputs.place_ranks[:] = 0
    for image, phrase in PHRASES:
        log_probs, usual = read_slowly(reader, inputs, image, phrase)
        found = reader(inputs, CONFIG).logits[image, phrase, inputs.box_mask[image]]
        expected = 0.6 * (np.array(log_probs) - usual)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_an_order_counts_from_the_box_that_its_words_fit_best(rank):
    inputs, reader = placed_inputs(), made_reader()
    corners = torch.tensor([[2.0, 9.0], [31.0, 3.0], [14.0, 27.0], [22.0, 40.0]])
    inputs.boxes_xyxy[0, :4] = torch.cat([corners, corners + 6], dim=-1)  # they do not overlap
    inputs.box_labels[0], inputs.box_scores[0], inputs.box_is_merged[0] = 2, 0.9, False
    inputs.box_mask[0, 4:] = False
    inputs.box_priors[0], inputs.place_ranks[0] = 1.0, rank
    inputs.place_word_ids[0, 1, :3] = torch.tensor([11, 3, 0])
    found = reader(inputs, CONFIG).logits[0, 1, :4].numpy()
    log_probs, _ = read_slowly(reader, inputs, 0, 1)
    place = np.argsort(np.argsort(-np.array(log_probs)))  # 0 of the best fitting
    np.testing.assert_allclose(found, -1.1 * abs(place + 1 - rank), rtol=1e-6)


def test_a_phrase_without_known_words_says_nothing():
    inputs, reader = placed_inputs(), made_reader()
    inputs.place_word_ids[:] = torch.tensor([0, 1, 2, 4, 6, 18])
    inputs.place_ranks[:] = 0
    reading = reader(inputs, CONFIG)
    for values in (reading.logits, reading.log_probs, reading.usual):
        assert not values.any()


def test_words_that_are_learned_anew_replace_the_earlier_ones():
    inputs, reader = placed_inputs(), made_reader()
    expected = reader(inputs, CONFIG).log_probs
    reader.learn_words((2, 9, 1, 3))
    assert not reader(inputs, CONFIG).log_probs.equal(expected)
    reader.learn_words(KNOWN)
    assert reader(inputs, CONFIG).log_probs.equal(expected)


def test_a_word_counts_as_often_as_it_stands_there_and_in_any_order():
    inputs, reader = placed_inputs(), made_reader()
    inputs.place_ranks[:] = 0
    inputs.place_word_ids[0, 0] = torch.tensor([3, 11, 3, 0, 0, 0])
    inputs.place_word_ids[0, 1] = torch.tensor([11, 0, 0, 3, 9, 3])
    inputs.place_word_ids[0, 2] = torch.tensor([11, 3, 0, 0, 0, 0])
    inputs.anchor_priors[0] = inputs.anchor_priors[0, :1]
    inputs.anchor_colours[0] = inputs.anchor_colours[0, :1]
    found = reader(inputs, CONFIG).log_probs[0, :, inputs.box_mask[0]]
    torch.testing.assert_close(found[0], found[1])
    assert (found[0] < found[2]).all()


def test_the_scores_teach_the_reader_nothing():
    inputs, reader = placed_inputs(), made_reader()
    assert not reader(inputs, CONFIG).logits.requires_grad
    assert reader(inputs, CONFIG).log_probs.requires_grad


def test_padding_is_finite_and_trains_nothing_into_weights():
    inputs, reader = placed_inputs(), made_reader()
    inputs.boxes_xyxy[~inputs.box_mask] = 0
    reading = reader(inputs, CONFIG)
    assert reading.log_probs.isfinite().all()
    assert reading.logits.isfinite().all()
    reading.log_probs.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in reader.words_of_box.parameters())


def test_without_proposals_there_is_nothing_to_read():
    inputs = placed_inputs(boxes=0)
    reading = made_reader()(inputs, CONFIG)
    assert reading.logits.shape == reading.log_probs.shape == (B, P, 0)
    assert reading.usual.shape == (B, P)


@pytest.mark.parametrize("boxes", [R, 0])
def test_a_grounder_without_a_reader_reads_nothing(boxes):
    reading = no_reading(placed_inputs(boxes=boxes))
    assert reading.logits.shape == reading.log_probs.shape == (B, P, boxes)
    for values in (reading.logits, reading.log_probs, reading.usual):
        assert values.equal(torch.zeros_like(values))
    assert reading.usual.shape == (B, P)
