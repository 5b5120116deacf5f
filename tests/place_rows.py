"""The arrays of nouns.h5 that say where the things of phrases are, for hand-made caches."""

import numpy as np

from models.phrases.place_words import CUES, RELATIONS, SIDES


def place_rows(places, nouns):
    """Return the arrays of places; anchors count in `nouns`."""
    anchors = [place.anchor for place in places]
    return {
        "place_cues": np.array([[cue in place.cues for cue in CUES] for place in places]),
        "place_rank": np.array([place.rank for place in places], np.int8),
        "place_side": np.array([_index(SIDES, place.rank_side) for place in places], np.int8),
        "relation": np.array([_index(RELATIONS, place.relation) for place in places], np.int8),
        "anchor_index": np.array([nouns.index(a.noun) if a else -1 for a in anchors], np.int32),
        "anchor_span": np.array([a.span if a else (0, 0) for a in anchors], np.int32),
    }


def _index(names, name):
    return names.index(name) if name else -1
