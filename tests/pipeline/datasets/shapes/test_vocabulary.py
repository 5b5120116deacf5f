from itertools import pairwise

from pipeline.datasets.shapes.outlines import OUTLINES
from pipeline.datasets.shapes.vocabulary import (
    CLASSES,
    COLOURS,
    HYPERNYMS,
    PLURALS,
    SIZES,
    SIZES_PX,
    SYNONYMS,
    plural,
)


def test_every_class_has_an_outline_and_a_name_of_its_own():
    assert set(CLASSES) == set(OUTLINES)
    names = [*CLASSES, *SYNONYMS.values(), *HYPERNYMS]
    assert len(set(names)) == len(names)
    assert SYNONYMS.keys() | PLURALS.keys() <= set(CLASSES)


def test_an_s_makes_a_plural_but_of_fish():
    assert [plural(noun) for noun in ("cup", "thing", "fish")] == ["cups", "things", "fish"]


def test_sizes_do_not_meet_and_grow():
    assert tuple(SIZES_PX) == SIZES
    assert all(low <= high for low, high in SIZES_PX.values())
    assert all(high < low for (_, high), (low, _) in pairwise(SIZES_PX.values()))


def test_colours_are_far_apart():
    values = [*COLOURS.values()]
    distances = [
        sum(abs(a - b) for a, b in zip(one, other, strict=True))
        for number, one in enumerate(values)
        for other in values[:number]
    ]
    assert min(distances) > 80
