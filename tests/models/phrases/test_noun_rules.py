"""Rules on hand-tagged phrases: what a good tagger says, and what the weak real one says."""

import re

import pytest

from models.phrases.noun_rules import (
    CONTEXT,
    HEAD,
    NounMention,
    _chunk_end,
    find_nouns,
    head_from,
    speaks_of_several,
)
from models.phrases.tokens import TaggedToken


def tag(tagged: str) -> list[TaggedToken]:
    """Return the words of "a/DET dog/NOUN"; "~" joins a word to the one before it, spaceless."""
    tokens, end = [], -1
    for text, joined, upos in re.findall(r"(\S+?)(~?)/([A-Z]+)", tagged):
        start = end if joined else end + 1
        end = start + len(text)
        tokens.append(TaggedToken(text, upos, start, end))
    return tokens


def nouns(tagged: str, context_nouns: int = 2) -> list[str]:
    return [mention.noun for mention in find_nouns(tag(tagged), context_nouns)]


WELL_TAGGED = [
    ("a/DET black/ADJ and/CCONJ white/ADJ dog/NOUN", ["dog"]),
    ("the/DET man/NOUN in/ADP a/DET red/ADJ shirt/NOUN", ["man", "shirt"]),
    ("a/DET white/ADJ dog/NOUN lying/VERB on/ADP the/DET sofa/NOUN", ["dog", "sofa"]),
    ("man/NOUN riding/VERB horse/NOUN", ["man", "horse"]),
    ("the/DET woman/NOUN who/PRON holds/VERB an/DET umbrella/NOUN", ["woman", "umbrella"]),
    ("guy/NOUN white/ADJ shirt/NOUN", ["guy", "shirt"]),
    ("cup/NOUN white/ADJ saucer/NOUN", ["cup", "saucer"]),
    ("a/DET football/NOUN player/NOUN", ["player"]),
    ("two/NUM men/NOUN", ["man"]),
    ("at/ADP least/ADJ 30/NUM men/NOUN", ["man"]),
    ("a/DET group/NOUN of/ADP young/ADJ people/NOUN", ["person"]),
    ("a/DET group/NOUN", ["group"]),
    ("a/DET group/NOUN of/ADP people/NOUN", ["person"]),
    ("a/DET couple/NOUN of/ADP them/PRON", ["couple"]),
    ("the/DET side/NOUN of/ADP the/DET building/NOUN", ["building"]),
    ("the/DET left/ADJ side/NOUN of/ADP the/DET pizza/NOUN", ["pizza"]),
    ("one/NUM of/ADP the/DET dogs/NOUN", ["dog"]),
    ("a/DET glass/NOUN of/ADP wine/NOUN", ["glass", "wine"]),
    ("man/NOUN 's/PART shirt/NOUN", ["shirt", "man"]),
    ("left/ADJ guy/NOUN", ["guy"]),
    ("guy/NOUN left/ADJ", ["guy"]),
    ("second/ADJ person/NOUN from/ADP right/NOUN", ["person"]),
    ("woman/NOUN closest/ADJ to/ADP the/DET camera/NOUN", ["woman"]),
    ("his/PRON camera/NOUN", ["camera"]),
    ("a/DET man/NOUN and/CCONJ a/DET woman/NOUN", ["man", "woman"]),
    ("about/ADV 10/NUM people/NOUN", ["person"]),
    ("at/ADP least/ADJ three/NUM cows/NOUN", ["cow"]),
    ("over/ADP 2-3/NUM cows/NOUN", ["cow"]),
    ("his/PRON back/NOUN", ["back"]),
    ("a/DET pink/ADJ top/NOUN", ["top"]),
    ("the/DET children/NOUN", ["child"]),
    ("dining/NOUN table/NOUN", ["dining table"]),
    ("a/DET brown/ADJ teddy/ADJ bear/NOUN", ["teddy bear"]),
    ("2/NUM hot/ADJ dogs/NOUN", ["hot dog"]),
    ("the/DET 狗/NOUN", ["狗"]),
]


@pytest.mark.parametrize(("tagged", "expected"), WELL_TAGGED)
def test_the_head_comes_first_then_what_describes_it(tagged, expected):
    assert nouns(tagged) == expected


WITHOUT_A_NOUN = [
    "left/ADJ one/NUM",
    "left/ADJ one/NOUN",
    "second/ADJ from/ADP right/NOUN",
    "right/NOUN of/ADP the/DET man/NOUN",
    "far/ADV left/ADJ",
    "the/DET one/NUM in/ADP the/DET red/ADJ shirt/NOUN",
    "a/DET green/ADJ object/NOUN",
    "metal/NOUN object/NOUN",
    "a/DET picture/NOUN",
    "over/ADP the/DET table/NOUN",
    "a/DET dog/NOUN picture/NOUN",
    "red/ADJ and/CCONJ blue/NOUN",
    "the/DET tallest/ADJ",
    "him/PRON",
    "in/ADP the/DET back/NOUN",
    "wearing/VERB red/ADJ shirt/NOUN",
    "29/NUM",
    "!/PUNCT ?/PUNCT",
    "standing/VERB",
    "s/NOUN",
    "",
]


@pytest.mark.parametrize("tagged", WITHOUT_A_NOUN)
def test_what_names_no_thing_has_no_noun_at_all(tagged):
    assert nouns(tagged) == []


BADLY_TAGGED = [
    ("white/ADJ couch/VERB under/ADP lamp/NOUN", ["couch", "lamp"]),
    ("white/ADV couch/VERB left/ADJ", ["couch"]),
    ("a/DET leather/NOUN couch/VERB", ["couch"]),
    ("a/DET leather/NOUN couch/VERB ,/PUNCT left/ADJ", ["couch"]),
    ("couch/VERB next/ADV to/ADP him/PRON", ["couch"]),
    ("couch/VERB which/PRON stinks/VERB", ["couch"]),
    ("it/PRON s/AUX mouth/ADJ", ["mouth"]),
    ("men/ADV", ["man"]),
    ("a/DET red/ADJ sled/VERB", ["sled"]),
    ("green/ADJ seaweed/VERB", ["seaweed"]),
    ("far/ADV right/ADJ person/NOUN cut/NOUN off/ADP", ["person"]),
    ("umbrella/NOUN closest/NOUN to/ADP us/PRON", ["umbrella"]),
    ("man/NOUN number/NOUN 12/NUM", ["man"]),
    ("the/DET furocious/NOUN brown/ADJ dog/NOUN", ["dog"]),
    ("a/DET rickety/NOUN narrow/ADJ bridge/NOUN", ["bridge"]),
    ("two/NUM rickety/NOUN narrow/ADJ bridges/NOUN", ["bridge"]),
    ("his/PRON rickety/NOUN narrow/ADJ bridge/NOUN", ["bridge"]),
    ("a/DET snow/NOUN covered/VERB mountain/NOUN", ["mountain"]),
    ("dark/NOUN colored/VERB clothing/NOUN", ["clothing"]),
    ("smiling/NOUN ,/PUNCT small/ADJ children/NOUN", ["child"]),
    ("orange/NOUN and/CCONJ green/NOUN boats/NOUN", ["boat"]),
    ("the/DET man/NOUN red/ADJ hat/NOUN", ["man", "hat"]),
    ("man/NOUN riding/NOUN", ["man"]),
    ("dog/NOUN sit/VERB", ["dog"]),
    ("a/DET girl/NOUN walks/VERB", ["girl"]),
    ("an/DET off/ADP road/NOUN vehicle/NOUN", ["vehicle"]),
    ("the/DET person/NOUN smile/VERB", ["person"]),
    ("the/DET person/NOUN couch/VERB", ["person"]),
    ("a/DET phone/NOUN ring/VERB", ["phone"]),
    ("a/DET kite/NOUN fly/VERB", ["kite"]),
    ("a/DET horse/NOUN fed/VERB", ["horse"]),
    ("a/DET door/NOUN doesn't/VERB", ["door"]),
]


@pytest.mark.parametrize(("tagged", "expected"), BADLY_TAGGED)
def test_a_taggers_slip_is_survived(tagged, expected):
    assert nouns(tagged) == expected


def test_a_hyphenated_word_is_one_word():
    hyphens = (
        "the/DET long/NOUN -~/PUNCT haired~/VERB girl/NOUN 's/PART t/NOUN -~/PUNCT shirt~/NOUN"
    )

    assert nouns(hyphens) == ["t-shirt", "girl"]
    assert nouns("teddy/NOUN -~/PUNCT bear~/NOUN") == ["teddy bear"]
    assert nouns("dog/NOUN -/PUNCT cat/NOUN") == ["dog", "cat"]


def test_punctuation_left_on_a_word_is_not_part_of_its_noun():
    found = find_nouns(tag('the/DET "dogs."/NOUN'), 0)

    assert found == (NounMention("dog", HEAD, (5, 9)),)


def test_spans_are_the_nouns_own_characters():
    phrase = "ein  Männer's teddy bears"
    tokens = [
        TaggedToken("ein", "DET", 0, 3),
        TaggedToken("männer", "NOUN", 5, 11),
        TaggedToken("'s", "PART", 11, 13),
        TaggedToken("teddy", "ADJ", 14, 19),
        TaggedToken("bears", "NOUN", 20, 25),
    ]

    found = find_nouns(tokens, 1)

    assert found == (
        NounMention("teddy bear", HEAD, (14, 25)),
        NounMention("männer", CONTEXT, (5, 11)),
    )
    assert phrase[14:25] == "teddy bears"
    assert find_nouns(tag("the/DET teddy-bear/NOUN"), 0) == (
        NounMention("teddy bear", HEAD, (4, 14)),
    )


@pytest.mark.parametrize(("limit", "expected"), [(0, ["cup"]), (1, ["cup", "table"])])
def test_context_nouns_are_capped_in_order_and_not_repeated(limit, expected):
    tagged = "cup/NOUN on/ADP table/NOUN by/ADP cups/NOUN near/ADP tables/NOUN and/CCONJ tv/NOUN"

    assert nouns(tagged, limit) == expected
    assert nouns(tagged, 5) == ["cup", "table", "tv"]


def test_a_very_long_phrase_has_its_first_noun():
    assert nouns("very/ADV " * 3000 + "big/ADJ dog/NOUN")[0] == "dog"


def head_of(phrase, word, noun):
    start = phrase.index(word)
    return NounMention(noun, HEAD, (start, start + len(word)))


@pytest.mark.parametrize(
    ("phrase", "word", "noun", "several"),
    [
        ("wet DOGS", "DOGS", "dog", True),
        ("teddy bears", "teddy bears", "teddy bear", True),
        ("a man with two dogs", "man", "man", False),  # the number counts another thing
    ],
)
def test_the_number_of_a_phrase_is_that_of_its_head(phrase, word, noun, several):
    assert speaks_of_several(phrase, head_of(phrase, word, noun)) is several


def test_a_phrase_without_a_noun_speaks_of_one_thing():
    assert not speaks_of_several("the two on the left", None)


@pytest.mark.parametrize(
    ("tagged", "start", "end"),
    [
        ("dog/NOUN on/ADP grass/NOUN", 0, 1),
        ("dog/NOUN like/ADP cat/NOUN", 0, 1),
        ("dog/NOUN like/VERB cat/NOUN", 0, 3),  # no preposition by its tag
        ("like/ADP cat/NOUN", 0, 2),  # nothing stands before it
        ("dog/NOUN outside/ADP", 0, 2),  # nothing stands behind it
        ("the/DET outside/ADP lane/NOUN", 0, 3),
        ("cat/NOUN on/ADP dog/NOUN past/ADP trees/NOUN", 2, 3),
    ],
)
def test_a_chunk_ends_at_a_preposition_with_words_on_both_sides(tagged, start, end):
    assert _chunk_end(tag(tagged), start) == end


@pytest.mark.parametrize(
    ("start", "noun", "text"), [(0, "cup", "cup"), (3, "dog", "dogs"), (5, None, ""), (7, None, "")]
)
def test_a_head_noun_is_looked_for_from_a_word_on(start, noun, text):
    tokens = tag("the/DET red/ADJ cup/NOUN two/NUM dogs/NOUN on/ADP it/PRON")
    found = head_from(tokens, start)
    assert (found and (found.noun, found.role)) == (noun and (noun, HEAD))
    assert found is None or "the red cup two dogs on it"[slice(*found.span)] == text
