import pytest

from models.phrases.colour_words import COLOURS, colours_of
from pipeline.samples.colours import RANGES


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("the white dog", {"white"}),
        ("a Black and White dog", {"black", "white"}),
        ("a black-and-white dog", {"black", "white"}),
        ("man in a red shirt", {"red"}),
        ("woman wearing blue and a tan hat", {"blue", "brown"}),
        ("red", {"red"}),
        ("her grey-haired uncle", set()),
        ("a grey cat", {"gray"}),
        ("a row of green chairs", {"green"}),
        ("the GREEN cup left of the red lamp", {"green"}),
        ("the cup next to the yellow ring", set()),
        ("blue cup above the orange moon in the corner", {"blue"}),
        ("dog on the brown couch", set()),
        ("girl in pink with a black bag", {"pink"}),
        ("man on a white horse in a red shirt", {"red"}),
        ("man with a black bag wearing blue", {"blue"}),
        ("the left red cup", {"red"}),
        ("a redhead in an orangery", set()),
        ("чашка ☕ noir", set()),
        ("", set()),
    ],
)
def test_only_what_is_said_of_the_thing_meant_counts(phrase, expected):
    assert colours_of(phrase) == expected


def test_every_colour_that_is_said_can_be_seen():
    assert set(RANGES) == set(COLOURS)
