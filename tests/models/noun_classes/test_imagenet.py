import pytest

from models.classifier.classifier import imagenet_classes
from models.noun_classes.imagenet import (
    TABLE,
    NounClasses,
    format_row,
    imagenet_classes_of,
    imagenet_nouns,
)

NAMES = imagenet_classes()
UNKNOWN = """
    man woman guy girl boy kid lady child person giraffe cake donut skateboard surfboard suitcase
    head frisbee toilet arm pool
""".split()  # noqa: SIM905 - a list of words reads better so


def named(noun):
    return [NAMES[index] for index in imagenet_classes_of(noun).classes]


def test_a_row_comes_back_as_it_was_written(tmp_path, monkeypatch):
    found = NounClasses((0, 3, 4, 5, 9, 10, 12), "hypernym")
    row = format_row("hot dog", found)
    assert row == "hot dog\thypernym\t0 3-5 9-10 12\n"
    monkeypatch.setattr("models.noun_classes.imagenet.TABLE", tmp_path / "table.tsv")
    (tmp_path / "table.tsv").write_text(row)
    assert imagenet_nouns.__wrapped__() == {"hot dog": found}


def test_every_row_holds_classes_of_imagenet_in_order():
    for noun, found in imagenet_nouns().items():
        assert found.classes, noun
        assert list(found.classes) == sorted(set(found.classes)), noun
        assert set(found.classes) <= set(range(1000)), noun
    assert TABLE.stat().st_size < 300_000


def test_a_noun_that_looks_like_a_plural_and_is_none_is_itself():
    assert named("patas") == ["patas"]  # a monkey


def test_wide_nouns_take_all_their_kinds():
    # counts of the method's memo, made independently over WordNet 3.0
    counts = {noun: len(imagenet_classes_of(noun).classes) for noun in ("animal", "device", "dog")}
    assert counts == {"animal": 398, "device": 130, "dog": 118}


@pytest.mark.parametrize("noun", UNKNOWN)
def test_what_imagenet_does_not_know_has_no_class(noun):
    assert imagenet_classes_of(noun) is None


@pytest.mark.parametrize(
    ("noun", "wrong", "right"),
    [
        ("jacket", "book jacket", "trench coat"),
        ("plant", "lumbermill", "daisy"),
        ("plate", "puck", "plate"),
        ("screen", "shower curtain", "screen"),
        ("bike", "moped", "mountain bike"),
        ("tv", "comic book", "television"),
        ("puppy", "hot dog", "Chihuahua"),
    ],
)
def test_traps_of_several_senses_are_stepped_over(noun, wrong, right):
    assert wrong not in named(noun)
    assert right in named(noun)
    assert imagenet_classes_of(noun).route == "exception"


def test_a_hypernym_stands_in_where_it_is_specific():
    assert imagenet_classes_of("kayak") == NounClasses((NAMES.index("canoe"),), "hypernym")


def test_a_plural_counts_as_its_singular_and_only_the_last_word_is_one():
    assert named("teddy bears") == ["teddy"]
    assert named("sheep") == ["ram"]
    assert named("sunglasses") == ["sunglasses"]
    assert named("dogs") == named("dog")
    assert imagenet_classes_of("pools") is None


@pytest.mark.parametrize("noun", ["", " ", "自転車", "naïve", "zzz", "dog\t"])
def test_an_unknown_word_means_nothing(noun):
    assert imagenet_classes_of(noun) is None
