import numpy as np

from pipeline.geometry.merged_boxes import with_merged

MAN, DOG = 3, 5
PROPOSALS = {
    "boxes_xyxy": np.array(
        [[10, 20, 30, 70], [50, 10, 60, 65], [0, 80, 11, 93], [90, 5, 97, 17], [0, 0, 100, 100]],
        np.float32,
    ),
    "scores": np.array([0.9, 0.5, 0.4, 0.3, 0.2], np.float32),
    "labels": np.array([MAN, MAN, DOG, MAN, DOG], np.int16),
}


def merged_rows(floors, proposals=PROPOSALS):
    found = with_merged(proposals, floors)
    return {name: rows[found["is_merged"]] for name, rows in found.items()}


def test_boxes_of_one_label_above_a_floor_are_taken_together():
    rows = merged_rows([0.4])
    assert rows["boxes_xyxy"].tolist() == [[10, 10, 60, 70]]
    assert rows["labels"].tolist() == [MAN]
    np.testing.assert_allclose(rows["scores"], [0.7])


def test_each_floor_gives_its_own_boxes_and_a_score_at_the_floor_counts():
    rows = merged_rows([0.5, 0.3, 0.2])
    assert rows["boxes_xyxy"].tolist() == [[10, 10, 60, 70], [10, 5, 97, 70], [0, 0, 100, 100]]
    assert rows["labels"].tolist() == [MAN, MAN, DOG]


def test_the_detectors_own_boxes_stay_first_and_untouched():
    found = with_merged(PROPOSALS, [0.3])
    assert found["is_merged"].tolist() == [False] * 5 + [True]
    for name, rows in PROPOSALS.items():
        np.testing.assert_array_equal(found[name][:5], rows)
        assert found[name].dtype == rows.dtype


def test_floors_that_give_the_same_box_give_it_once():
    assert len(merged_rows([0.5, 0.45])["labels"]) == 1


def test_boxes_that_overlap_by_95_in_100_are_the_same():
    for width, number in ((95.5, 1), (95, 1), (94.5, 2)):  # of 100
        boxes = [[0, 0, width, 9], [0, 0, 9, 9], [0, 0, 100, 9]]
        proposals = {
            "boxes_xyxy": np.array(boxes, np.float32),
            "scores": np.array([0.9, 0.8, 0.3], np.float32),
            "labels": np.array([MAN] * 3, np.int16),
        }
        assert len(merged_rows([0.5, 0.2], proposals)["labels"]) == number


def test_the_same_box_of_another_label_is_another_box():
    twins = {name: np.concatenate([rows[:2]] * 2) for name, rows in PROPOSALS.items()}
    twins["labels"] = np.array([MAN, MAN, DOG, DOG], np.int16)
    assert merged_rows([0.4], twins)["labels"].tolist() == [MAN, DOG]


def test_nothing_is_merged_without_floors_without_fellows_or_without_boxes():
    assert not with_merged(PROPOSALS, [])["is_merged"].any()
    assert not with_merged(PROPOSALS, [0.8])["is_merged"].any()
    empty = {name: rows[:0] for name, rows in PROPOSALS.items()}
    assert with_merged(empty, [0.1])["boxes_xyxy"].shape == (0, 4)
