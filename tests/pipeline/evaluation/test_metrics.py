import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation import metrics
from tests.oracles import grounding_loops as loops


def test_iou_equals_the_definition_on_random_boxes():
    rng = np.random.default_rng(3)
    first = np.sort(rng.uniform(0, 40, (7, 2, 2)), axis=1).reshape(7, 4)
    second = np.sort(rng.uniform(0, 40, (5, 2, 2)), axis=1).reshape(5, 4)
    expected = [[loops.iou(a, b) for b in second] for a in first]
    np.testing.assert_allclose(metrics.iou_matrix(first, second), expected, atol=1e-12)


def test_two_empty_boxes_in_one_place_do_not_overlap():
    point = [[3.0, 4.0, 3.0, 4.0]]
    assert metrics.iou_matrix(point, point).tolist() == [[0.0]]


def test_the_union_box_holds_every_annotated_box():
    assert metrics.union_box([[2, 3, 5, 7], [1, 4, 4, 11]]).tolist() == [1, 3, 5, 11]


def test_an_iou_of_exactly_one_half_is_a_hit():
    row = metrics.score_boxes([[0, 0, 10, 3]], [[0, 0, 10, 6]], (11, 13), 0.5)[0]
    assert dict(zip(metrics.COLUMNS, row, strict=True)) == {
        "accuracy": 1,
        "any_box": 1,
        "mean_iou": 0.5,
        "accuracy_25": 1,
        "accuracy_75": 0,
        "pointing": 1,
    }


@pytest.mark.parametrize(
    ("width", "hits"), [(19, [0, 0]), (20, [1, 0]), (59, [1, 0]), (60, [1, 1])]
)
def test_an_iou_at_a_threshold_is_a_hit(width, hits):
    row = metrics.score_boxes([[0, 0, width, 3]], [[0, 0, 80, 3]], (11, 83), 0.5)[0]
    assert [row[metrics.COLUMNS.index(f"accuracy_{share}")] for share in (25, 75)] == hits


def test_one_of_two_annotated_boxes_hits_any_box_and_misses_the_union():
    gt_boxes = [[0, 0, 4, 5], [9, 0, 13, 5]]
    row = metrics.score_boxes([[0, 0, 4, 5]], gt_boxes, (11, 13), 0.5)[0]
    assert dict(zip(metrics.COLUMNS, row.round(6), strict=True)) == {
        "accuracy": 0,
        "any_box": 1,
        "mean_iou": round(20 / 65, 6),
        "accuracy_25": 1,
        "accuracy_75": 0,
        "pointing": 1,
    }


@pytest.mark.parametrize(
    ("box", "pointing"),
    [
        ([1, 5, 3, 9], 1),  # its centre is (2, 7)
        ([0, 5, 3, 9], 0),
        ([1, 5, 4, 9], 0),
        ([1, 4, 3, 9], 0),
        ([1, 5, 3, 10], 0),
    ],
)
def test_a_box_points_to_its_centre(box, pointing):
    row = metrics.score_boxes([box], [[2, 7, 2, 7]], (11, 13), 0.5)[0]
    assert row[metrics.COLUMNS.index("pointing")] == pointing


def test_what_lies_past_the_border_costs_no_iou():
    row = metrics.score_boxes([[0, 0, 400, 300]], [[0, 0, 13, 11]], (11, 13), 0.5)[0]
    assert row.tolist() == [1, 1, 1, 1, 1, 1]


def test_no_boxes_give_no_rows():
    assert metrics.score_boxes(np.zeros((0, 4)), [[0, 0, 5, 7]], (11, 13), 0.5).shape == (0, 6)


@pytest.mark.parametrize(("hits", "num_phrases"), [(0, 5), (5, 5), (3, 7), (2791, 5095)])
def test_the_wilson_interval_equals_scipys(hits, num_phrases):
    expected = stats.binomtest(hits, num_phrases).proportion_ci(0.95, method="wilson")
    low, high = metrics.wilson_interval(hits, num_phrases)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_ends_at_0_and_1_whatever_is_rounded():
    ends = [metrics.wilson_interval(hits * n, n) for n in range(1, 300) for hits in (0, 1)]
    assert min(low for low, _ in ends) == 0.0
    assert max(high for _, high in ends) == 1.0


def test_without_phrases_the_interval_is_everything():
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (7, 7), (1, 12), (12, 1), (300, 411)])
def test_mcnemars_p_equals_the_binomial_test(wins, losses):
    total = wins + losses
    expected = stats.binomtest(wins, total, 0.5).pvalue if total else 1.0
    assert metrics.mcnemar_p(wins, losses) == pytest.approx(min(1.0, expected), rel=1e-9)


def test_resampling_draws_whole_images():
    hits = np.array([[1.0, 0.0]] * 4 + [[0.0, 0.5]] * 2)
    image_index = np.array([0, 0, 0, 0, 1, 1])
    draws = metrics.resampled_accuracies(hits, image_index, 200, seed=0)
    assert {tuple(row) for row in draws.round(9)} == {
        (1.0, 0.0),
        (0.0, 0.5),
        (round(4 / 6, 9), round(1 / 6, 9)),
    }


def test_resampling_spreads_as_the_standard_error_says():
    rng = np.random.default_rng(0)
    hits = (rng.random((900, 1)) < 0.4).astype(float)
    draws = metrics.resampled_accuracies(hits, np.arange(900), 2000, seed=1)
    assert draws.std() == pytest.approx(np.sqrt(0.4 * 0.6 / 900), rel=0.1)


def test_equal_seeds_give_equal_draws():
    hits, image_index = np.eye(5), np.arange(5)
    first, second, other = (
        metrics.resampled_accuracies(hits, image_index, 9, s) for s in (1, 1, 2)
    )
    assert first.tolist() == second.tolist() != other.tolist()


def test_a_difference_has_the_sign_of_the_better_first_method():
    first, second = np.array([1.0, 1, 1, 0, 1]), np.array([0.0, 0, 1, 1, 0])
    draws = np.array([[0.8, 0.4]] * 39 + [[0.5, 0.6]])
    row = metrics.paired_difference(first, second, draws)
    assert row["difference"] == pytest.approx(0.4)
    assert row["p"] == pytest.approx(stats.binomtest(3, 4).pvalue)
    assert row["low"] == pytest.approx(0.4 - 0.5 * 0.025)  # numpy's linear 2.5 % point of 40 draws
    assert row["high"] == pytest.approx(0.4)


def test_a_summary_holds_means_count_and_interval():
    scores = np.array([[1, 1, 0.8, 1, 1, 1], [0, 1, 0.2, 0, 0, 1], [0, 0, 0.3, 1, 0, 0]], float)
    summary = metrics.summarise(scores)
    assert summary["accuracy"] == pytest.approx(1 / 3)
    assert summary["any_box"] == pytest.approx(2 / 3)
    assert summary["mean_iou"] == pytest.approx(1.3 / 3)
    assert (summary["n"], summary["low"]) == (3, pytest.approx(0.0614919447))
    assert summary["high"] == pytest.approx(0.7923403992)


def test_a_summary_of_no_phrases_is_zero_with_the_widest_interval():
    summary = metrics.summarise(np.zeros((0, 6)))
    assert (summary["n"], summary["accuracy"], summary["low"], summary["high"]) == (0, 0, 0, 1)


def test_a_phrase_counts_in_each_of_its_groups():
    groups = metrics.group_accuracies(np.array([1.0, 0, 1]), [("people",), ("people", "scene"), ()])
    assert {name: (row["accuracy"], row["n"]) for name, row in groups.items()} == {
        "people": (0.5, 2),
        "scene": (0.0, 1),
    }
    intervals = [(row["low"], row["high"]) for row in groups.values()]
    assert intervals == [metrics.wilson_interval(1, 2), metrics.wilson_interval(0, 1)]


def test_the_interval_of_a_difference_leaves_out_as_much_on_either_side():
    resampled = np.stack([np.arange(201.0)[::-1], np.full(201, 7.0)], axis=1)
    found = metrics.paired_difference(np.ones(3), np.zeros(3), resampled)
    assert (found["low"], found["high"]) == (pytest.approx(-2), pytest.approx(188))


def test_groups_are_in_order_and_every_phrase_has_its_own():
    assert [*metrics.group_accuracies(np.ones(3), ["c", "a", "b"])] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="shorter"):
        metrics.group_accuracies(np.ones(3), ["c", "a"])
