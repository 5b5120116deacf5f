import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook

from models.classifier.classifier import Classifier
from models.classifier.train_classifier import ClassifierFit, _mirrored, train_classifier
from models.given_files.safe_load import NonFiniteError

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
    colour = torch.tensor([0, 0.25, 1]).view(1, 3, 1, 1)
    assert classifier.norm(colour).flatten().tolist() == [-1, -0.5, 1]


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


def test_the_learning_rate_goes_through_one_cycle_and_no_step_is_of_a_part_of_a_batch():
    seen = []

    def hook(optimiser, _args, _named):
        (group,) = optimiser.param_groups
        seen.append((group["lr"], group["weight_decay"]))

    handle = register_optimizer_step_pre_hook(hook)
    train_classifier(*pictures(0, 19), CLASSES, replace(FIT, epochs=5, batch_images=8), iter)
    handle.remove()
    rates = [rate for rate, _ in seen]
    assert len(rates) == 10  # twice five, and three pictures left over
    assert {decay for _, decay in seen} == {1e-4}
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates[2] == max(rates) == pytest.approx(0.01)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 1e-6


def grey(count):
    return [np.full((48, 40, 3), index, np.uint8) for index in range(count)], [0] * count


def test_every_epoch_has_an_order_of_its_own_so_that_no_picture_is_left_out_for_ever():
    seen = []

    def hook(module, inputs):
        if isinstance(module, Classifier):
            seen.append((255 * inputs[0][:, 0, 0, 0]).round().int().tolist())

    handle = register_module_forward_pre_hook(hook)
    train_classifier(*grey(19), CLASSES, replace(FIT, epochs=7, batch_images=8), iter)
    handle.remove()
    epochs = [first + second for first, second in zip(seen[::2], seen[1::2], strict=True)]
    assert [len(set(epoch)) for epoch in epochs] == [16] * 7
    assert set().union(*epochs) == set(range(19))


def test_a_step_forgets_the_gradients_of_the_one_before():
    seen = []

    def hook(optimiser, _args, _named):
        seen.append(optimiser.param_groups[0]["params"][-1].grad.clone())

    handle = register_optimizer_step_pre_hook(hook)
    still = replace(FIT, epochs=3, learning_rate=0.0)
    train_classifier(*grey(5), CLASSES, still, iter)
    handle.remove()
    torch.testing.assert_close(seen, [seen[0]] * 3)


def test_half_of_the_pictures_are_mirrored_and_colours_are_shares():
    torch.manual_seed(5)
    images = torch.tensor([51, 102, 255], dtype=torch.uint8).expand(2000, 3, 2, 3)
    found = _mirrored(images)
    plain, mirrored = torch.tensor([0.2, 0.4, 1]), torch.tensor([1, 0.4, 0.2])
    is_mirrored = torch.isclose(found, mirrored).flatten(1).all(1)
    assert (is_mirrored | torch.isclose(found, plain).flatten(1).all(1)).all()
    assert is_mirrored.float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_training_that_blows_up_names_the_step_and_epoch_of_all():
    taken = []
    handle = register_optimizer_step_pre_hook(lambda *_: taken.append(None))
    wild = replace(FIT, epochs=20, weight_decay=1e4, batch_images=8)  # weights grow at every step
    with pytest.raises(NonFiniteError, match=r"at step \d+, in epoch \d+$") as raised:
        train_classifier(*pictures(0, 24), CLASSES, wild, iter)
    handle.remove()
    step, epoch = map(int, re.findall(r"\d+", str(raised.value))[-2:])
    assert step == len(taken) + 1
    assert epoch == (step - 1) // 3 + 1 > 1
