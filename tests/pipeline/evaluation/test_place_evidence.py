"""Three cups in a row and a lamp, in a picture of 100 x 40 pixels."""

import numpy as np
import pytest

from models.phrases.places import Anchor, Place
from pipeline.evaluation.place_evidence import (
    ORDER_NATS,
    RELATION_NATS,
    SIDE_NATS,
    SIZE_NATS,
    place_evidence,
)
from pipeline.records import ImageRecord
from pipeline.samples.sample_facts import EarlierPhrases, NounSlots, SampleFacts

# by score: the middle, the right and the left cup, the lamp above the right cup, a doubtful cup
BOXES = [[40, 20, 50, 36], [80, 20, 90, 36], [10, 20, 30, 36], [82, 2, 90, 12], [60, 20, 64, 26]]
SCORES = [0.9, 0.8, 0.6, 0.5, 0.2]
CUP = np.array([1, 1, 1, 0, 1], np.float32)
MIDDLE, RIGHT, LEFT, LAMP, DOUBTFUL = range(5)


def evidence(place, matches=CUP, anchors=(0, 0, 0, 1, 0), scores=SCORES, count=5):
    """Return the evidence for the first boxes, of which each has a label of its own."""
    no_slots = NounSlots([[]], *(np.zeros((1, 1), kind) for kind in (int, bool, int)))
    nothing = np.zeros((1, 0, 6), np.float32), np.zeros((1, 0), bool)
    earlier = EarlierPhrases(*nothing, np.array([-1]), np.zeros(1, bool))
    facts = SampleFacts(
        image=ImageRecord("a", "a.jpg", (40, 100), "val"),
        phrases=["phrase"],
        subjects=["phrase"],
        is_plural=np.array([False]),
        is_plain=np.array([False]),
        places=[place],
        proposals={
            "boxes_xyxy": np.array(BOXES[:count], np.float32).reshape(-1, 4),
            "scores": np.array(scores[:count], np.float32),
            "labels": np.arange(count, dtype=np.int16),
        },
        label_similarity=np.append(matches, 0)[None].astype(np.float32),
        anchor_similarity=np.array([[*anchors, 0]], np.float32),
        earlier=earlier,
        slots=no_slots,
        maps=np.zeros((1, 1, 1), np.float32),
        confidences=np.zeros(1, np.float32),
    )
    return place_evidence(facts, matches[:count])


def test_where_nothing_is_proposed_nothing_is_said():
    cues = frozenset({"left", "small"})
    place = Place(cues, rank=2, rank_side="left", relation="bottom", anchor=Anchor("lamp", (0, 4)))
    found = evidence(place, count=0)
    assert found.position.shape == found.relation.shape == (0,)


def test_a_phrase_that_names_no_place_says_nothing():
    found = evidence(Place())
    assert not found.position.any()
    assert not found.relation.any()
    assert found.position.shape == found.relation.shape == (5,)


def test_a_side_counts_by_the_share_of_width_or_height_from_the_middle():
    found = evidence(Place(cues=frozenset({"left"})))
    # centres at 45, 85, 20, 86 and 62 of 100 px
    np.testing.assert_allclose(
        found.position, SIDE_NATS * np.array([0.05, -0.35, 0.3, -0.36, -0.12]), atol=1e-6
    )
    found = evidence(Place(cues=frozenset({"top"})))
    # at 28, 28, 28, 7 and 23 of 40 px
    np.testing.assert_allclose(
        found.position, SIDE_NATS * np.array([-0.2, -0.2, -0.2, 0.325, -0.075]), atol=1e-6
    )


def test_size_counts_by_the_root_of_the_share_of_the_image():
    found = evidence(Place(cues=frozenset({"small"})))
    areas = np.array([10 * 16, 10 * 16, 20 * 16, 8 * 10, 4 * 6]) / 4000
    np.testing.assert_allclose(found.position, -SIZE_NATS * np.sqrt(areas), atol=1e-6)


@pytest.mark.parametrize(
    ("rank", "side", "before"),
    [  # how many cups lie before each box, the doubtful one not counted
        (2, "left", [1, 2, 0, 2, 2]),
        (3, "right", [1, 0, 2, 0, 1]),
    ],
)
@pytest.mark.parametrize(("sureness", "fit"), [(1.0, 1.0), (0.1, 1.0), (1.0, 0.5)])
def test_an_order_counts_the_surest_things_of_the_noun(rank, side, before, sureness, fit):
    place, scores = Place(rank=rank, rank_side=side), np.multiply(SCORES, sureness)
    found = evidence(place, fit * CUP + 0.25 * (CUP == 0), scores=scores)
    distance = np.abs(np.array(before) - (rank - 1))
    if side == "left":
        distance[LAMP] = 2  # the lamp's centre lies beyond all three cups
    np.testing.assert_allclose(found.position, -ORDER_NATS * distance)
    assert found.position[MIDDLE if rank == 2 else LEFT] == 0


def test_a_relation_is_to_the_likeliest_anchor():
    below = Place(relation="bottom", anchor=Anchor("lamp", (0, 4)))
    found = evidence(below)
    assert found.relation.argmax() == RIGHT
    # right cup: 0.525 of the height below, 0.01 of the width aside
    np.testing.assert_allclose(found.relation[RIGHT], RELATION_NATS * (0.525 - 0.8 * 0.01), 1e-5)
    assert not evidence(below, anchors=(0, 0, 0, 0, 0)).relation.any()
    # of two anchors each counts by its score: the lamp 0.5, the left cup 0.6
    both = evidence(below, anchors=(0, 0, 1, 1, 0)).relation
    alone = [evidence(below, anchors=one).relation for one in ((0, 0, 1, 0, 0), (0, 0, 0, 1, 0))]
    np.testing.assert_allclose(both, (0.6 * alone[0] + 0.5 * alone[1]) / 1.1, rtol=1e-5)
