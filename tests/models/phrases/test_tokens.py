import pytest

from models.phrases.tokens import (
    TaggedToken,
    compound_of,
    describes,
    is_gerund,
    is_modifier,
    is_noun,
    join_hyphens,
    may_be_noun,
    names_thing,
    text_at,
    trails,
    trim,
)


def tag(tagged):
    """Return the words of "a/DET dog/NOUN", one blank apart."""
    tokens, start = [], 0
    for word in tagged.split():
        text, _, upos = word.rpartition("/")
        tokens.append(TaggedToken(text, upos, start, start + len(text)))
        start += len(text) + 1
    return tokens


def test_words_around_a_hyphen_become_one_with_the_last_ones_part_of_speech():
    tokens = [
        TaggedToken("a", "DET", 0, 1),
        TaggedToken("long", "ADJ", 2, 6),
        TaggedToken("-", "PUNCT", 6, 7),
        TaggedToken("haired", "VERB", 7, 13),
        TaggedToken("dog", "NOUN", 14, 17),
    ]
    assert join_hyphens(tokens) == [
        tokens[0],
        TaggedToken("long-haired", "VERB", 2, 13),
        tokens[-1],
    ]


@pytest.mark.parametrize(("first", "second"), [("mid", "-sized"), ("mid-", "sized")])
def test_a_hyphen_may_be_left_on_either_word(first, second):
    end = len(first)
    tokens = [
        TaggedToken(first, "ADJ", 0, end),
        TaggedToken(second, "VERB", end, end + len(second)),
    ]
    assert join_hyphens(tokens) == [TaggedToken("mid-sized", "VERB", 0, 9)]


def test_a_hyphen_at_the_end_leaves_the_part_of_speech_and_one_apart_joins_nothing():
    ended = [TaggedToken("dog", "NOUN", 0, 3), TaggedToken("-", "PUNCT", 3, 4)]
    assert join_hyphens(ended) == [TaggedToken("dog-", "NOUN", 0, 4)]
    apart = [TaggedToken("dog", "NOUN", 0, 3), TaggedToken("-", "PUNCT", 4, 5)]
    assert join_hyphens([*apart, TaggedToken("cat", "NOUN", 5, 8)])[:1] == apart[:1]


def test_words_that_touch_without_a_hyphen_stay_two():
    tokens = [TaggedToken("dog", "NOUN", 0, 3), TaggedToken(".", "PUNCT", 3, 4)]
    assert join_hyphens(tokens) == tokens
    dashed = [TaggedToken("-", "PUNCT", 0, 1), TaggedToken("dog", "NOUN", 1, 4)]
    assert join_hyphens(dashed) == dashed


@pytest.mark.parametrize(
    ("text", "bare", "start"), [('"dog."', "dog", 8), ("dog", "dog", 7), ("-,-", "-,-", 7)]
)
def test_punctuation_left_on_a_word_is_cut_off_with_its_characters(text, bare, start):
    assert trim(TaggedToken(text, "NOUN", 7, 7 + len(text))) == TaggedToken(
        bare, "NOUN", start, start + len(bare)
    )


@pytest.mark.parametrize(
    ("tagged", "index", "expected"),
    [
        ("dog/NOUN", 0, True),
        ("dog/VERB", 0, False),
        ("orange/NOUN dog/NOUN", 0, False),  # a colour before a noun
        ("orange/NOUN", 0, True),  # alone, it is the fruit
        ("man/NOUN riding/NOUN", 1, False),
        ("riding/NOUN", 0, True),
        ("red/NOUN riding/NOUN", 1, True),  # after a colour it is no verb
        ("man/NOUN riding/NOUN horse/NOUN", 1, True),
        ("man/NOUN riding/NOUN fast/ADV", 1, False),
        ("brick/NOUN building/NOUN", 1, True),
        ("london/PROPN", 0, True),
    ],
)
def test_a_noun_is_told_from_colour_and_verb_by_its_neighbours(tagged, index, expected):
    tokens = tag(tagged)
    assert is_noun(tokens, index, 0, len(tokens)) is expected


def test_a_neighbour_beyond_the_chunk_is_none():
    tokens = tag("man/NOUN riding/NOUN orange/NOUN dog/NOUN")
    assert is_noun(tokens, 2, 2, 3)
    assert not is_noun(tokens, 2, 2, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("riding", True), ("being", False), ("seeing", True), ("building", False), ("rides", False)],
)
def test_gerunds(text, expected):
    assert is_gerund(text) is expected


def test_modifiers_are_adjectives_and_colours():
    words = ("orange", "blue", "big", "dog")
    assert [is_modifier(word) for word in words] == [True, True, True, False]


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ("dog/NOUN", True),
        ("left/NOUN", False),
        ("tank/NOUN top/NOUN", True),
        ("pink/ADJ tops/NOUN", True),
        ("short/ADJ top/NOUN", True),
        ("the/DET top/NOUN", False),
        ("top/NOUN", False),
        ("his/PRON back/NOUN", True),
        ("the/DET back/NOUN", False),
        ("7/NUM", False),
        ("x/X", False),
        ("猫/NOUN", True),
    ],
)
def test_what_names_a_thing(tagged, expected):
    tokens = tag(tagged)
    assert names_thing(tokens, len(tokens) - 1) is expected


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ("frisbee/ADV", True),
        *((f"frisbee/{upos}", True) for upos in ("NOUN", "PROPN", "VERB", "ADJ", "INTJ", "X")),
        *((f"frisbee/{upos}", False) for upos in ("ADP", "PUNCT", "NUM", "AUX")),
        *((f"{text}/ADJ", False) for text in ("boldest", "wonderful", "greenish", "gorgeous")),
        *((f"{text}/ADJ", False) for text in ("hatless", "foldable", "slowly")),
        ("dish/VERB", True),
        ("seaweed/VERB", True),  # "eed" ends no participle
        ("bobsled/ADJ", True),
        ("covered/VERB", False),
        ("riding/VERB", False),
        ("building/VERB", True),
        ("beautiful/ADJ", False),
        ("young/ADJ", False),
        ("left/ADJ", False),
    ],
)
def test_what_may_be_a_noun_though_it_is_tagged_otherwise(tagged, expected):
    assert may_be_noun(tag(tagged), 0) is expected


def test_what_may_stand_between_a_modifier_and_its_noun():
    words = "frisky/ADJ ,/PUNCT covered/VERB red/NOUN dog/NOUN riding/VERB"
    assert [describes(token) for token in tag(words)] == [True] * 4 + [False] * 2


def test_what_may_follow_a_noun_in_telegraphic_style():
    words = "left/ADJ there/ADV ./PUNCT standing/VERB dog/NOUN standing/NOUN dish/VERB"
    assert [trails(token) for token in tag(words)] == [True] * 4 + [False] * 3


def test_a_compound_is_a_word_with_the_one_before_or_its_parts():
    tokens = tag("teddy/NOUN bears/NOUN teddy-bear/NOUN")
    assert [compound_of(tokens, index) for index in range(3)] == [
        "teddy",
        "teddy bear",
        "teddy bear",
    ]


def test_past_the_end_there_is_no_text():
    tokens = tag("a/DET dog/NOUN")
    assert (text_at(tokens, 1), text_at(tokens, 2)) == ("dog", "")
