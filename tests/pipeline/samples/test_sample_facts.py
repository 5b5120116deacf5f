import numpy as np

from pipeline.mentions import Mention
from pipeline.samples.sample_facts import fill_slots

HEAD, CONTEXT = 0, 1
MENTIONS = [
    [Mention("dog", HEAD), Mention("cat", CONTEXT), Mention("cup", CONTEXT)],
    [],
    [Mention("ghost", HEAD), Mention("cup", CONTEXT)],
]
MAP_NOUNS = ["cup", "dog", "owl", "cat"]


def test_slots_hold_the_first_nouns_that_have_a_map_and_their_rows():
    slots = fill_slots(MENTIONS, MAP_NOUNS, 2)
    assert slots.nouns == [["dog", "cat"], [], ["cup"]]
    np.testing.assert_array_equal(slots.map_index, [[1, 3], [0, 0], [0, 0]])
    np.testing.assert_array_equal(slots.noun_mask, [[True, True], [False] * 2, [True, False]])
    np.testing.assert_array_equal(slots.noun_roles, [[0, 1], [0, 0], [1, 0]])


def test_room_for_more_nouns_stays_empty_and_for_none_there_is_none():
    wide, none = fill_slots(MENTIONS, MAP_NOUNS, 5), fill_slots(MENTIONS, MAP_NOUNS, 0)
    assert wide.noun_mask.sum(1).tolist() == [3, 0, 1]
    assert wide.noun_mask.dtype == np.bool_
    assert wide.map_index.dtype == wide.noun_roles.dtype == np.int64
    assert (none.noun_mask.shape, none.nouns) == ((3, 0), [[], [], []])


def test_an_image_without_maps_fills_no_slot():
    slots = fill_slots(MENTIONS, [], 2)
    assert not slots.noun_mask.any()
    assert slots.nouns == [[], [], []]
