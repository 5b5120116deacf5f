"""The decoder spells what it sees: after training it needs the box of its own image.

Pictures of two objects, of different shapes and any colours; a phrase is a colour and a shape. The
prior knows the shape of every box, as a detector would, and nobody knows its colour. A third of the
phrases is kept from training, with all of the pictures that they are about.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.phrases.place_words import CUES
from models.training.training_step import TrainingStep
from tests.models.grounder.tiny_grounder import WEIGHTS, tiny_grounder

S, SIDE, STEPS, IMAGES = 64, 24, 90, 8
EOS, FIRST_COLOUR, FIRST_SHAPE = 1, 3, 11
COLOURS = torch.tensor(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=torch.float32
)
SHAPES = 3
ONLY_RECONSTRUCTION = replace(
    WEIGHTS, reconstruction=1.0, contrastive=0.0, matching=0.0, regression=0.0, mining=0.0
)


def outline(shape):
    """Return which pixels of its box an object of a shape covers: all, the border or a cross."""
    covered = torch.ones(SIDE, SIDE, dtype=torch.bool)
    third = SIDE // 3
    if shape == 1:
        covered[third:-third, third:-third] = False
    if shape == 2:
        covered[:third, :third] = covered[:third, -third:] = False
        covered[-third:, :third] = covered[-third:, -third:] = False
    return covered


def kept_back(colour, shape):
    return (colour + shape) % 3 == 0


def draw_batch(seed, unseen):
    """Return a batch of pictures about whose objects training knows phrases, or knows none."""
    rng = np.random.default_rng((seed, unseen))
    images = torch.from_numpy(rng.normal(0.5, 0.05, (IMAGES, 3, S, S)).astype(np.float32))
    boxes, words = torch.zeros(IMAGES, 2, 4), torch.full((IMAGES, 2, 3), EOS)
    for image in range(IMAGES):
        for half, shape in enumerate(rng.permutation(SHAPES)[:2].tolist()):
            colour = int(
                rng.choice([c for c in range(len(COLOURS)) if kept_back(c, shape) == unseen])
            )
            x, y = 32 * half + int(rng.integers(0, 9)), int(rng.integers(0, S - SIDE + 1))
            patch = images[image, :, y : y + SIDE, x : x + SIDE]
            patch[:, outline(shape)] = COLOURS[colour][:, None]
            boxes[image, half] = torch.tensor([x, y, x + SIDE, y + SIDE])
            words[image, half, :2] = torch.tensor([FIRST_COLOUR + colour, FIRST_SHAPE + shape])
    yes, no = torch.ones(IMAGES, 2, dtype=torch.bool), torch.zeros(IMAGES, 2, dtype=torch.bool)
    no_nouns = torch.zeros(IMAGES, 2, 0)
    return {
        "images": images,
        "clean_images": images,
        "pixel_mask": torch.ones(IMAGES, S, S, dtype=torch.bool),
        "phrase_mask": yes,
        "phrase_is_plural": no,
        "phrase_is_plain": no,
        "token_ids": words,
        "token_mask": yes[..., None].expand(-1, -1, 3),
        "word_ids": words,
        "word_mask": yes[..., None].expand(-1, -1, 3),
        "place_word_ids": words,
        "boxes_xyxy": boxes,
        "box_mask": yes,
        "box_scores": torch.ones(IMAGES, 2),
        "box_labels": torch.ones(IMAGES, 2, dtype=torch.long),
        "box_is_merged": no,
        "box_priors": torch.eye(2).expand(IMAGES, -1, -1),
        "box_colours": torch.zeros(IMAGES, 2, 2),
        "place_cues": torch.zeros(IMAGES, 2, len(CUES), dtype=torch.bool),
        "place_ranks": torch.zeros(IMAGES, 2, dtype=torch.long),
        "place_sides": torch.zeros(IMAGES, 2, dtype=torch.long),
        "relations": torch.full((IMAGES, 2), -1),
        "anchor_priors": torch.zeros(IMAGES, 2, 2),
        "anchor_colours": torch.zeros(IMAGES, 2, 2),
        "earlier_priors": torch.zeros(IMAGES, 2, 1, 2),
        "earlier_is_plural": no[..., None],
        "wearers": torch.full((IMAGES, 2), -1),
        "phrase_is_body": no,
        "cams": torch.zeros(IMAGES, 2, 0, 2, 2),
        "noun_mask": no_nouns.bool(),
        "noun_roles": no_nouns.long(),
        "noun_classes": no_nouns.long(),
        "noun_confidences": no_nouns,
    }


def gaps(step):
    """Return by how many nats a word the decoder loses with another image's box, batch by batch."""
    return np.array([step.vision_gap(draw_batch(seed, unseen=True)) for seed in range(24)])


@pytest.mark.slow
def test_the_decoder_needs_the_box_of_its_image_for_phrases_it_never_learned():
    grounder = tiny_grounder(cam="off", teacher="reconstruction", backbone_pretrained=False)
    step = TrainingStep(grounder, None, ONLY_RECONSTRUCTION, "fp32")
    before = gaps(step)
    optimiser = torch.optim.Adam(grounder.parameters(), lr=0.005)
    for number in range(STEPS):
        losses = step(**draw_batch(number, unseen=False))
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
    after = gaps(step)
    error = after.std(ddof=1) / len(after) ** 0.5
    assert abs(before.mean()) < 0.01
    assert after.mean() > max(0.1, 10 * error)
