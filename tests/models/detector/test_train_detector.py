import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from models.detector.checkpoint import DetectorInfo, save_detector
from models.detector.detector import Detector, load_detector
from models.detector.train_detector import (
    DetectionExample,
    DetectorFit,
    _batch,
    _order,
    _packed,
    cosine_with_warmup,
    train_detector,
)
from models.given_files.safe_load import NonFiniteError
from tests.tiny_detector import CLASSES, draw, train

SHORT = DetectorFit(epochs=2, batch_images=3, learning_rate=0.005, base_channels=8, seed=5)


def weights(trained):
    return {name: value.numpy() for name, value in trained.model.state_dict().items()}


def test_training_reduces_the_loss():
    fit = DetectorFit(epochs=8, batch_images=4, learning_rate=0.005, base_channels=8, seed=2)
    losses = train(fit, num_pictures=8).losses
    assert len(losses) == 16
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])


def test_equal_seeds_give_equal_weights_and_leave_the_caller_s_random_state():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first = train(SHORT, num_pictures=5)
    np.testing.assert_array_equal(torch.rand(3), expected)
    torch.manual_seed(12)
    np.testing.assert_equal(weights(first), weights(train(SHORT, num_pictures=5)))
    assert len(first.losses) == 4


def test_the_saved_folder_has_equal_bytes_and_detects_as_the_trained_model(tmp_path):
    trained, cpu = train(SHORT, num_pictures=5), torch.device("cpu")
    info = DetectorInfo("tiny", CLASSES, "bright rectangles", "Apache-2.0")
    for name in ("first", "second"):
        save_detector(tmp_path / name, trained.config, trained.model.state_dict(), info)
    files = sorted(file.name for file in (tmp_path / "first").iterdir())
    assert files == ["config.py", "detector.json", "weights.pth"]
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    live = Detector(trained.config, trained.model, info, 1)
    found, expected = (
        detector.detect([draw(30).image], 9, 0.01, 0.5, False)[0]
        for detector in (load_detector(tmp_path / "first", cpu, 1), live)
    )
    assert len(found.scores) == 9
    np.testing.assert_equal(vars(found), vars(expected))


def test_a_picture_without_objects_is_survived():
    blank = DetectionExample(
        np.zeros((52, 64, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    )
    trained = train_detector([draw(0), blank, blank], len(CLASSES), SHORT, iter)
    assert np.isfinite(trained.losses).all()


def test_the_config_follows_the_longest_side_and_the_second_smallest_of_eleven_objects():
    sides = np.array([[4, 5], [5, 7], *[[9, 8 + extra] for extra in range(9)]], np.float32)
    boxes = np.concatenate([np.full((11, 2), 3, np.float32), 3 + sides], axis=1)
    wide, high = (
        DetectionExample(np.zeros((*image_hw, 3), np.uint8), part, np.zeros(len(part), np.int64))
        for image_hw, part in (((52, 64), boxes[::2]), ((71, 44), boxes[1::2]))
    )
    config = train_detector([wide, high], 1, replace(SHORT, epochs=1), iter).config
    assert tuple(config.test_pipeline[1].scale) == (71, 71)
    assert config.model.rpn_head.anchor_generator.base_sizes == [5.9, 11.8]  # of 5 x 7 pixels


def test_a_mirrored_picture_shows_the_same_in_mirrored_boxes():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (5, 11, 3), dtype=np.uint8)
    boxes = np.array([[1, 0, 4, 3], [7, 2, 11, 5]], np.float32)
    example = DetectionExample(image, boxes, np.array([1, 0]))
    for mirrored, lefts in ((False, [1, 7]), (True, [7, 0])):
        pixels, sample = _packed(example, mirrored)
        found = sample.gt_instances
        assert found.labels.tolist() == [1, 0]
        assert found.bboxes[:, 0].tolist() == lefts
        for box, (left, top, right, bottom) in zip(boxes, found.bboxes.int().tolist(), strict=True):
            x1, y1, x2, y2 = box.astype(int)
            crop = image[y1:y2, x1:x2, ::-1]  # B, G, R
            seen = pixels[:, top:bottom, left:right].permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(seen[:, ::-1] if mirrored else seen, crop)


def test_about_half_of_all_pictures_are_mirrored():
    box = np.array([[0, 0, 2, 1]], np.float32)
    example = DetectionExample(np.zeros((3, 7, 3), np.uint8), box, np.array([0]))
    torch.manual_seed(4)
    lefts = [sample.gt_instances.bboxes[0, 0] for sample in _batch([example] * 400)["data_samples"]]
    assert {float(left) for left in lefts} == {0, 5}
    assert np.mean([float(left) == 0 for left in lefts]) == pytest.approx(0.5, abs=0.1)


def test_every_epoch_holds_every_picture_once_in_an_order_of_its_own():
    torch.manual_seed(4)
    order = _order(7, epochs=3, batch_images=3)
    assert [len(step) for step in order] == [3, 3, 1] * 3
    epochs = [[picture for step in order[at : at + 3] for picture in step] for at in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs} | {tuple(range(7))}) == 4


def test_training_begins_at_mmdet_s_own_weights():
    start = train(replace(SHORT, epochs=1, learning_rate=0.0), num_pictures=1).model
    assert start.rpn_head.rpn_cls.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert not start.rpn_head.rpn_cls.bias.any()


@pytest.fixture
def steps():
    """What every step of an optimiser is taken with: rate, decay, length of the gradient."""
    seen = []

    def hook(optimiser, _args, _named):
        (group,) = optimiser.param_groups
        lengths = torch.stack([weight.grad.norm() for weight in group["params"]])
        seen.append((group["lr"], group["weight_decay"], lengths.norm().item()))

    handle = register_optimizer_step_pre_hook(hook)
    yield seen
    handle.remove()


def test_a_training_that_blows_up_names_its_step_of_all_and_the_epoch(steps):
    wild = replace(SHORT, epochs=30, batch_images=2, learning_rate=1e3)
    with pytest.raises(NonFiniteError, match=r"at step \d+, in epoch \d+$") as raised:
        train(wild, num_pictures=3)
    step, epoch = map(int, re.findall(r"\d+", str(raised.value))[-2:])
    assert step == len(steps) + 1
    assert epoch == (step - 1) // 2 + 1 > 1


def test_every_step_has_its_rate_and_no_gradient_longer_than_five(steps):
    train(replace(SHORT, epochs=6), num_pictures=3)
    rates, decays, lengths = zip(*steps, strict=True)
    assert rates == pytest.approx([0.005 * cosine_with_warmup(step, 6) for step in range(6)])
    assert set(decays) == {0.01}
    assert max(lengths) == pytest.approx(5, rel=1e-3)


def test_a_step_forgets_the_gradients_of_the_one_before(steps):
    train(replace(SHORT, epochs=3, learning_rate=0.0), num_pictures=3)
    lengths = [length for _, _, length in steps]
    assert max(lengths) < 1.2 * min(lengths) < 5


def test_every_step_is_watched_and_nothing_else_is_told():
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = train_detector([draw(0)], 2, SHORT, lambda steps: seen.append(steps) or steps)
    assert seen == [range(2)]
    assert [type(loss) for loss in trained.losses] == [float, float]


def test_the_learning_rate_rises_for_a_tenth_and_falls_as_a_cosine():
    factors = [cosine_with_warmup(step, 120) for step in range(120)]
    assert factors[0] == pytest.approx(1 / 12)
    assert factors[10] == pytest.approx(11 / 12 * (2 + (2 + 3**0.5) ** 0.5) / 4)  # cos(15 degrees)
    assert factors[30] == pytest.approx((1 + 2**-0.5) / 2)
    assert factors[60] == pytest.approx(0.5)
    assert factors[80] == pytest.approx(0.25)
    assert factors[11:] == sorted(factors[11:], reverse=True)
    assert 0 < factors[119] < 0.001
