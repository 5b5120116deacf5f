import pytest

from pipeline.serving.placed_phrases import PlacedPhrase, place_phrases

SENTENCE = "A man in a red shirt hugs a man, and a manly dog (a pug) sees a  red shirt."


def words_at(phrases, sentence=SENTENCE):
    """Return start and words of each phrase's place."""
    placed = place_phrases(phrases, sentence)
    assert [one.phrase for one in placed] == phrases
    assert {one.sentence for one in placed} == {sentence}
    return [one.span and (one.span[0], sentence[slice(*one.span)]) for one in placed]


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        (["a man"], [(0, "A man")]),
        (["a man", "A man"], [(0, "A man"), (26, "a man")]),
        (["a man in a red shirt", "a red shirt", "a man"],
         [(0, "A man in a red shirt"), (9, "a red shirt"), (26, "a man")]),
        (["a red shirt", "a red shirt"], [(9, "a red shirt"), (62, "a  red shirt")]),
        (["red shirt", "a red shirt"], [(11, "red shirt"), (62, "a  red shirt")]),
        (["a man"] * 3, [(0, "A man"), (26, "a man"), (26, "a man")]),
        (["(a pug)"] * 2, [(49, "(a pug)")] * 2),
        (["a manly dog", "a red shirt", "a man"],
         [(37, "a manly dog"), (62, "a  red shirt"), (0, "A man")]),
        (["a cat", "(a pug)", "", " a  pug "], [None, (49, "(a pug)"), None, (50, "a pug")]),
    ],
)  # fmt: skip
def test_phrases_stand_in_the_order_of_the_sentence(phrases, expected):
    assert words_at(phrases) == expected


def test_without_a_sentence_each_stands_alone():
    assert place_phrases(["a", "a"], None) == [PlacedPhrase("a")] * 2
    assert words_at(["a"], "") == [None]


def test_case_is_not_length():
    assert words_at(["the \u0130nn"], "Near THE \u0130nn.") == [(5, "THE \u0130nn")]
