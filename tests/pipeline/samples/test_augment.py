import numpy as np
import pytest

from pipeline.params.train import AugmentParams
from pipeline.samples.augment import (
    Evidence,
    draw_colours,
    draw_crop,
    draw_placement,
    likely_boxes,
)

HW = (70, 110)
ALWAYS = AugmentParams(flip=1.0, jitter=0.4, crop=1.0, scales=1, translate=False)


def evidence(boxes=((30, 20, 60, 50),), priors=((1,),), head_cams=None):
    cams = np.zeros((1, 7, 11), np.float32) if head_cams is None else head_cams
    return Evidence(
        HW, np.array(boxes, np.float32).reshape(-1, 4), np.array(priors, np.float32), cams
    )


def rng(seed=0):
    return np.random.default_rng(seed)


def place(phrases, params, seed=0):
    return draw_placement(phrases, evidence(), 96, params, rng(seed))


def test_nothing_is_done_when_every_chance_is_zero():
    placement = place(["red cup"], AugmentParams(0.0, 0.0, 0.0, 1, translate=False))
    assert not placement.flip
    assert placement.window_xyxy == (0, 0, 110, 70)


def test_one_phrase_that_must_not_be_mirrored_keeps_the_image_as_it_is():
    assert place(["cup", "left dog"], ALWAYS).flip
    assert not place(["cup", "number 7"], ALWAYS).flip


def test_one_phrase_of_place_keeps_the_image_whole():
    assert place(["red cup", "blue dog"], ALWAYS).window_xyxy != (0, 0, 110, 70)
    assert place(["red cup", "left dog"], ALWAYS).window_xyxy == (0, 0, 110, 70)


def test_about_half_of_the_images_are_mirrored_at_one_half():
    flips = [
        place(["cup"], AugmentParams(0.5, 0.0, 0.0, 1, translate=False), seed).flip
        for seed in range(200)
    ]
    assert 70 < sum(flips) < 130


def test_the_longer_side_is_one_of_the_scales_and_each_is_drawn():
    params = AugmentParams(0.0, 0.0, 0.0, scales=3, translate=False)
    lengths = [max(place(["cup"], params, seed).content_hw) for seed in range(60)]
    assert set(lengths) == {96, 64, 32}


def test_a_small_image_lies_anywhere_in_its_square_and_nowhere_outside():
    params = AugmentParams(0.5, 0.0, 0.0, scales=2, translate=True)
    corners = [place(["cup"], params, seed).content_xyxy for seed in range(200)]
    left, top, right, bottom = np.array(corners).T
    assert (left.min(), top.min(), right.max(), bottom.max()) == (0, 0, 96, 96)
    assert len(set(left.tolist())) > 20  # 33 places, when it is 64 px long
    assert left[right - left == 96].max() == 0


def test_the_sides_of_a_crop_are_those_of_transvg():
    windows = np.array([draw_crop(evidence((), ((),)), rng(seed)) for seed in range(400)])
    sides = (windows[:, 2:] - windows[:, :2]) / (110, 70)  # of images of 628, 785, 942 x 400 ... px
    assert sides[:, 0].min() > 384 / 942.9
    assert sides[:, 0].max() < 600 / 628 + 2 / 110  # rounded outwards at both ends
    assert sides[:, 1].min() > 384 / 600
    assert sides[:, 1].min() < 0.7
    assert sides[:, 1].max() > 0.97


def test_a_crop_lies_inside_the_image_and_is_not_always_the_same():
    windows = np.array([draw_crop(evidence(), rng(seed)) for seed in range(50)])
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] <= (110, 70)).all()
    assert (windows == windows.round()).all()
    assert len(np.unique(windows, axis=0)) > 20


@pytest.mark.parametrize("seed", range(20))
def test_a_crop_is_rounded_outwards_by_less_than_a_pixel(seed):
    draw = rng(seed)
    scale = draw.choice((400, 500, 600)) / 70
    sides = draw.uniform(384, np.minimum(np.array([110, 70]) * scale, 600)) / scale
    corner = draw.uniform(0, 1, 2) * ((110, 70) - sides)
    exact = np.concatenate([corner, corner + sides])
    outwards = (draw_crop(evidence((), ((),)), rng(seed)) - exact) * [-1, -1, 1, 1]
    assert (outwards > -1e-9).all()
    assert (outwards < 1).all()


def test_a_crop_keeps_nine_tenths_of_the_likely_proposals():
    boxes = [[20, 20, 40, 50], [60, 10, 90, 30], [0, 0, 110, 70], [50, 50, 60, 60]]
    scene = evidence(boxes, [[1, 1, 0, 1]])
    windows = [draw_crop(scene, rng(seed)) for seed in range(100)]
    assert all(x1 <= 22 and x2 >= 87 for x1, _, x2, _ in windows)
    assert any(window[0] > 0 for window in windows)


def test_a_proposal_without_area_forbids_no_crop():
    scene = evidence([[30, 20, 30, 50]])
    assert draw_crop(scene, rng()) == draw_crop(evidence((), ((),)), rng()) != (0, 0, 110, 70)


def test_a_crop_keeps_the_head_nouns_cam():
    cam = np.zeros((1, 7, 11), np.float32)
    cam[0, 0, 10] = 1  # pixels 100 to 110, 0 to 10
    cam[0, 6, 0] = -9
    windows = [draw_crop(evidence((), ((),), cam), rng(seed)) for seed in range(100)]
    assert all(x2 >= 109.5 and y1 <= 0.5 for _, y1, x2, _ in windows)


def test_a_crop_keeps_the_cam_of_each_phrase():
    cams = np.zeros((2, 7, 11), np.float32)
    cams[[0, 1], [6, 0], [0, 10]] = 1  # pixels 0 to 10, 60 to 70 and 100 to 110, 0 to 10
    scene = evidence((), ((), ()), cams)
    assert {draw_crop(scene, rng(seed)) for seed in range(20)} == {(0, 0, 110, 70)}


def test_an_image_that_cannot_be_cropped_stays_whole():
    cam = np.zeros((1, 70, 110), np.float32)
    cam[0, [0, 0, 69, 69], [0, 109, 0, 109]] = 1  # the corner pixels
    assert draw_crop(evidence((), ((),), cam), rng()) == (0, 0, 110, 70)


def test_likely_proposals_are_those_of_the_largest_prior_times_share_of_the_cam():
    cam = np.zeros((1, 7, 11), np.float32)
    cam[0, 3, 3:6] = (1, 2, 3)
    boxes = [[30, 30, 40, 40], [40, 30, 50, 40], [50, 30, 60, 40], [0, 0, 110, 70], [0, 0, 9, 9]]
    found = likely_boxes(evidence(boxes, [[1, 1, 1, 0.1, 1]], cam))
    np.testing.assert_array_equal(found, [0, 1, 2])  # shares 1/6, 2/6, 3/6, prior 0.1, none


def test_likely_proposals_of_several_phrases_are_those_of_each():
    cams = np.zeros((2, 7, 11), np.float32)
    cams[0, 3, 3:6] = (1, 2, 3)
    cams[1, 0, :2] = (40, -90)
    boxes = [[30, 30, 60, 40], [40, 30, 60, 40], [0, 0, 60, 40], [0, 0, 9, 9], [0, 0, 10, 5]]
    boxes += [[60, 30, 90, 40], [0, 0, 10, 9]]
    found = likely_boxes(evidence(boxes, np.ones((2, 7)), cams))
    np.testing.assert_array_equal(found, [0, 1, 2, 3, 6])  # 1, 5/6, 1; then 1, 0.81, 0.9, not 0.5


def test_without_a_cam_the_first_proposals_of_the_largest_prior_are_likely():
    boxes = [[0, 0, 9, 9]] * 5
    np.testing.assert_array_equal(likely_boxes(evidence(boxes, [[0, 1, 0, 1, 0]])), [0, 1, 3])


def test_no_proposals_are_likely_where_there_are_none():
    assert likely_boxes(evidence((), np.zeros((1, 0)))).shape == (0,)


def changes(strength, seeds):
    """Return how far the factors of each seed are from changing nothing."""
    return [np.abs(draw_colours(strength, rng(seed))[0] - 1).max() for seed in seeds]


def test_four_in_five_images_change_colour():
    assert 0.7 < np.mean(np.array(changes(0.4, range(200))) > 1e-6) < 0.9


def test_no_strength_changes_nothing():
    assert max(changes(0.0, range(9))) == 0


def test_factors_and_orders_are_drawn_from_their_whole_range():
    drawn = [draw_colours(0.4, rng(seed)) for seed in range(200)]
    factors = np.array([one for one, _ in drawn])
    assert ((factors >= 0.6) & (factors <= 1.4)).all()
    assert factors.shape == (200, 3)
    assert (factors.min(0) < 0.65).all()
    assert (factors.max(0) > 1.35).all()
    assert len({tuple(order) for _, order in drawn}) == 6
