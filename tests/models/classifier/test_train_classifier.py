from dataclasses import replace

import numpy as np
import pytest
import torch

from models.classifier.train_classifier import ClassifierFit, train_classifier

FIT = ClassifierFit("resnet10", 0.125, 6, 0.01, 1e-4, batch_images=16, seed=0)
CLASSES = ("bright", "dark", "striped")


def picture(index):
    """Return a noisy picture of one of three classes."""
    rng = np.random.default_rng(index)
    label = index % 3
    level = np.array([200, 60, 130])[label]
    stripes = 60 * (np.arange(48) // 6 % 2)[:, None, None] if label == 2 else 0
    noise = rng.integers(-40, 40, (48, 40, 3))
    return np.clip(level + stripes + noise, 0, 255).astype(np.uint8), label


def pictures(start, count):
    drawn = [picture(index) for index in range(start, start + count)]
    return [image for image, _ in drawn], [label for _, label in drawn]


@pytest.fixture(scope="module")
def classifier():
    return train_classifier(*pictures(0, 96), CLASSES, FIT, iter)


def test_it_recognises_pictures_it_has_not_seen(classifier):
    images, labels = pictures(1000, 30)
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        guesses = classifier(pixels).argmax(1).tolist()
    assert np.mean(np.equal(guesses, labels)) > 0.9


def test_it_says_how_it_was_made_and_is_ready_for_use(classifier):
    assert (classifier.info.arch, classifier.info.width) == ("resnet10", 0.125)
    assert classifier.classes == CLASSES
    assert not any(module.training for module in classifier.modules())


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    one_epoch = replace(FIT, epochs=1)
    first = train_classifier(*pictures(0, 32), CLASSES, one_epoch, iter)
    torch.rand(5)
    again = train_classifier(*pictures(0, 32), CLASSES, one_epoch, iter)
    assert torch.equal(first.class_weight, again.class_weight)


def test_the_callers_random_state_is_left_as_it_was():
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    train_classifier(*pictures(0, 8), CLASSES, replace(FIT, epochs=1), iter)
    assert torch.equal(torch.rand(1), expected)


def test_fewer_pictures_than_a_batch_are_one_batch():
    trained = train_classifier(*pictures(0, 5), CLASSES, replace(FIT, epochs=1), iter)
    assert trained.class_weight.isfinite().all()
