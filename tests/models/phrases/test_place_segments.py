import pytest

from models.phrases.place_segments import cue_of, find_segments, follows, relation_at
from tests.models.phrases.hand_tags import tag


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("the red cup", [("", "the red cup")]),
        ("cup left of the box", [("", "cup"), ("left", "the box")]),
        ("cup to the far left side of the box", [("", "cup"), ("left", "the box")]),
        ("man on the left", [("", "man"), ("touching", "the left")]),
        (
            "man in front of the bus on top",
            [("", "man"), ("front", "the bus"), ("touching", "top")],
        ),
        ("cup on top of the box", [("", "cup"), ("top", "the box")]),
        ("man who is near the dog", [("", "man"), ("", ""), ("", ""), ("near", "the dog")]),
        ("cup , left", [("", "cup"), ("", "left")]),
        ("near cow", [("", "near cow")]),
        ("the near cow", [("", "the near cow")]),
        ("the nearest cow", [("", "the nearest cow")]),
        ("cup near cow", [("", "cup"), ("near", "cow")]),
        ("near the cow", [("", ""), ("near", "the cow")]),
        ("closest to us", [("", ""), ("near", "us")]),
        ("", [("", "")]),
    ],
)
def test_a_phrase_falls_apart_at_its_relations(phrase, expected):
    tokens = tag(phrase)
    found = [
        (one.relation, " ".join(token.text for token in tokens[one.start : one.stop]))
        for one in find_segments(tokens)
    ]
    assert found == expected


def test_the_marker_is_the_first_word_that_names_the_relation():
    _, segment = find_segments(tag("cup to the left of the box"))
    assert (segment.marker, segment.start, segment.stop) == (1, 5, 7)


@pytest.mark.parametrize(
    ("phrase", "index", "expected"),
    [
        ("cup in front of it", 1, ("front", 3)),
        ("cup in it", 1, ("touching", 1)),
        ("cup on the right hand side of it", 1, ("right", 6)),
        ("cup on the right", 1, ("touching", 1)),
        ("right of", 0, ("right", 2)),
        ("right", 0, ("", 0)),
        ("cup", 1, ("", 0)),
        ("near cow", 0, ("", 0)),
        ("near", 0, ("near", 1)),
    ],
)
def test_the_longest_name_of_a_relation_is_found(phrase, index, expected):
    assert relation_at(tag(phrase), index) == expected


def test_a_relation_is_of_the_thing_where_it_stands_after_its_noun():
    tokens = tag("cup in front of the bus")
    segment = list(find_segments(tokens))[1]
    assert segment.relation == "front"
    assert follows(tokens, segment, head_start=start_of(tokens, "cup"))
    assert not follows(tokens, segment, head_start=start_of(tokens, "in"))
    assert not follows(tokens, segment, head_start=start_of(tokens, "bus"))
    assert follows(tokens, segment, head_start=None)


def start_of(tokens, text):
    return next(token.start for token in tokens if token.text == text)


@pytest.mark.parametrize(
    ("text", "cue"),
    [("left-most", "left"), ("uppermost", "top"), ("tallest", "large"), ("cup", ""), ("", "")],
)
def test_a_word_may_be_a_cue(text, cue):
    assert cue_of(text) == cue
