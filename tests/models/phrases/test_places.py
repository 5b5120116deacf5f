"""What phrases say of where their thing is: RefCOCO, captions, and the drawn world."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.phrases.mirroring import may_flip, mirror_phrase
from models.phrases.noun_rules import find_nouns
from models.phrases.place_words import CUE_OF, CUES, RELATION_WORDS, RELATIONS, SIDES
from models.phrases.places import Anchor, Place, find_place, find_subject
from models.phrases.tokens import TaggedToken
from pipeline.datasets.shapes import templates
from tests.models.phrases.hand_tags import place_of, tag

# phrase: cues; rank and side; relation and the anchor's words
SAID = {
    "man": ";;",
    "left": "left;;",
    "right side": "right;;",
    "cow far left": "left;;",
    "the left-most man": "left;;",
    "right most man": "right;;",
    "the right-hand bowl": "right;;",
    "man on the left": "left;;",
    "person on far right": "right;;",
    "the horse on the right side of the picture": "right;;",
    "elephant on the far left of the image": "left;;",
    "bottom left corner": "bottom left;;",
    "upper right bowl": "top right;;",
    "cat on top left": "top left;;",
    "orange top left": "top left;;",
    "person cut off on right": "right;;",
    "the bear furthest to the right": "right;;",
    "umbrella farthest right": "right;;",
    "cup , right": "right;;",
    "man right of the picture": "right;;",
    "man in the middle": "middle;;",
    "middle giraffe": "middle;;",
    "person in the center of the photo": "middle;;",
    "man right in the middle": "middle;;",
    "woman left front": "left front;;",
    "person far right back": "right back;;",
    "elephant behind": "back;;",
    "the man in the background": "back;;",
    "car in front": "front;;",
    "boat closest to us": "front;;",
    "pizza slice closest to viewer": "front;;",
    "the closest bus to the camera": "front;;",
    "chair closest": "front;;",
    "nearest person on left": "front left;;",
    "near zebra": "front;;",
    "cow near": "front;;",
    "boy by himself": ";;",
    "woman next to him": ";;",
    "biggest piece": "large;;",
    "big red bus on the left": "large left;;",
    "smaller elephant": "small;;",
    "bigger of the two elephants": "large;;",
    "2nd from left": ";2 left;",
    "third cow from the right": ";3 right;",
    "left 2nd": ";2 left;",
    "from left third bus": ";3 left;",
    "first left bus": "left;;",
    "the first cup from the top": "top;;",
    "3rd guy from right in the back row": "back;3 right;",
    "second row , third from left": ";3 left;",
    "second to last man from the left": ";2 right;",
    "3rd last from the right": ";3 left;",
    "second-to-last cow from the top": ";2 bottom;",
    "third from last on the right": ";3 right;",
    "second to last cup": ";;",
    "last cup from the left": "right;;",
    "last bus on the left": "left;;",
    "last bear from the front , right side": "back right;;",
    "ballast , third from left": ";3 left;",
    "last row , second from left": ";2 left;",
    "dog in last row from the left": "left;;",
    "last shelf third cup from the right": ";3 right;",
    "last table , third cup from the right": ";3 right;",
    "kid in second row": ";;",
    "girl in blue , second from left": ";2 left;",
    "man wearing tie second from right": ";2 right;touching tie",
    "glass top left of table": "top;;left table",
    "woman back of bike": ";;back bike",
    "dog right next to the sofa": ";;near the sofa",
    "tree right behind the bench": ";;back the bench",
    "red cup on the left side of the blue plate": ";;left the blue plate",
    "boy to the right of girl on left": "left;;right girl",
    "cat to the immediate left of the tv": ";;left the tv",
    "chair left of the table on the right": "right;;left the table",
    "person next to man on right": "right;;near man",
    "man on the right next to the wall": "right;;near the wall",
    "black car left behind the bus": "left;;back the bus",
    "man in front of the tall building": ";;front the tall building",
    "the small dog behind the big cat": "small;;back the big cat",
    "bowl below the upper shelf": ";;bottom the upper shelf",
    "cat on top of the car": ";;top the car",
    "cow nearest the fence": ";;near the fence",
    "chair closest to the window": ";;near the window",
    "right of the cup": ";;right the cup",
    "kid left of everyone": "left;;",
    "left man with hat": "left;;touching hat",
    "man with hat left": "left;;touching hat",
    "back left guy in yellow striped shirt": "back left;;touching yellow striped shirt",
    "the woman on the right wearing a white top": "right;;touching a white top",
    "little girl on the right in pink": "small right;;",
    "man in red shirt left of the dog": ";;left the dog",
    "red book on top shelf left": "left;;touching top shelf",
    "hat of the man on the left": "left;;touching the man",
    "guy with the big hat": ";;touching the big hat",
    "guy big hat": ";;",
    "man eating big pizza": ";;",
    "the plate with the smallest piece": ";;",
    "the plate with the top piece": ";;",
    "woman in a black top": ";;touching a black top",
    "man with his back to us": ";;touching his back",
    "man with back to us": ";;",
    "top of the black umbrella": ";;",
    "front of train": ";;",
    "the middle of the pizza": ";;",
    "zebra on the left facing right": "left;;",
    "cow looking to the right": ";;",
    "man walking on the right": "right;;",
    "girl right there": ";;",
    "middle aged man": ";;",
    "middle eastern man": ";;",
    "middle school kids on the left": "left;;",
    "left handed batter": ";;",
    "a small child on a big swing": "small;;touching a big swing",
    "two dogs in front of a woman": ";;front a woman",
    "a group of people in the background": "back;;",
    "a man in a blue shirt is standing on a ladder": ";;touching a blue shirt",
}


def said(phrase, place):
    """Return a place the way SAID writes it."""
    cues = " ".join(sorted(place.cues))
    rank = f"{place.rank} {place.rank_side}" if place.rank else ""
    anchor = phrase[slice(*place.anchor.span)] if place.anchor else ""
    return ";".join([cues, rank, f"{place.relation} {anchor}".strip()])


@pytest.mark.parametrize(("phrase", "expected"), SAID.items())
def test_a_phrase_says_where_its_own_thing_is(phrase, expected):
    cues, rest = expected.split(";", 1)
    wanted = f"{' '.join(sorted(cues.split()))};{rest}"
    assert said(phrase, place_of(tag(phrase))) == wanted


def assert_mirrors(phrase):
    """Assert that a mirrored phrase says what the mirrored place is; the anchor's words move."""
    plain, other = place_of(tag(phrase)), mirror_phrase(phrase)
    found, expected = place_of(tag(other)), plain.mirrored()
    facts = ("cues", "rank", "rank_side", "relation")
    assert [getattr(found, name) for name in facts] == [getattr(expected, name) for name in facts]
    if plain.anchor is None:
        assert found.anchor is None
    else:
        assert found.anchor.noun == plain.anchor.noun
        words = phrase[slice(*plain.anchor.span)]
        assert other[slice(*found.anchor.span)] == mirror_phrase(words)


@pytest.mark.parametrize("phrase", [phrase for phrase in SAID if may_flip(phrase)])
def test_the_mirrored_phrase_says_the_mirrored_place(phrase):
    assert_mirrors(phrase)


_SIDE = st.sampled_from(["left", "far right", "leftmost", "right-hand", "top left", "back", ""])
_THING = st.sampled_from(["cup", "man", "red bus", "one", "cup with handle", ""])
_TAIL = st.sampled_from(
    [
        *("on the left", "on right side", "second from left", "at the far right", "in front"),
        *("next to the left dog", "left of the sofa", "to the right of her", "facing left"),
        *("on the left of the picture", "in the right corner", ", right", "right", "left", ""),
    ]
)


@given(_SIDE, _THING, _TAIL, _TAIL)
@settings(max_examples=300, deadline=None)
def test_any_mirrored_phrase_says_the_mirrored_place(side, thing, tail, last):
    phrase = " ".join(f"{side} {thing} {tail} {last}".split())
    if may_flip(phrase) and may_flip(mirror_phrase(phrase)):
        assert_mirrors(phrase)


_PLACES = st.builds(
    Place,
    cues=st.frozensets(st.sampled_from(CUES)),
    rank=st.integers(0, 7),
    rank_side=st.sampled_from(["", *SIDES]),
    relation=st.sampled_from(["", *RELATIONS]),
    anchor=st.sampled_from([None, Anchor("cup", (3, 7))]),
)


@given(_PLACES)
def test_mirrored_twice_a_place_is_itself_and_only_left_and_right_change(place):
    mirrored = place.mirrored()
    assert mirrored.mirrored() == place
    sides = {"left", "right"}
    assert mirrored.cues - sides == place.cues - sides
    assert ("left" in mirrored.cues) == ("right" in place.cues)
    assert ("right" in mirrored.cues) == ("left" in place.cues)
    for name in ("relation", "rank_side"):
        old, new = getattr(place, name), getattr(mirrored, name)
        assert {old, new} == (sides if old in sides else {old})
    assert (mirrored.rank, mirrored.anchor) == (place.rank, place.anchor)


@pytest.mark.parametrize("relation", [" ".join(words) for words in RELATION_WORDS])
def test_the_words_of_another_thing_are_no_cues(relation):
    for cue in CUE_OF:
        phrase = f"the dog {relation} the {cue} cup"
        place = place_of(tag(phrase))
        assert (place.cues, place.rank) == (frozenset(), 0), phrase
        assert place.relation == RELATION_WORDS[tuple(relation.split())], phrase
        assert place.anchor.noun == "cup", phrase


def drawn(template, **slots):
    """Return the tagged words of a template of the drawn world, and where its noun begins."""
    words = templates.tagged(template.format(**slots))
    tokens, end = [], -1
    for word in words:
        tokens.append(TaggedToken(word.text, word.upos, end + 1, end + 1 + len(word.text)))
        end += 1 + len(word.text)
    return tokens


def facts_of(tokens):
    place = place_of(tokens)
    return place.cues, (place.rank, place.rank_side), place.relation, place.anchor is not None


BY_SIDE = [
    (template, side)
    for kinds in (templates.SIDES, templates.EXTREMES)
    for side, found in kinds.items()
    for template in found
]


@pytest.mark.parametrize(("template", "side"), BY_SIDE)
def test_a_drawn_thing_on_a_side_has_its_cue(template, side):
    found = facts_of(drawn(template, N="star/NOUN"))
    assert found == ({side}, (0, ""), "", False)


@pytest.mark.parametrize(
    ("template", "rank", "side"),
    [(t, *one) for t in templates.RANKED for one in product((2, 3), templates.SIDES)],
)
def test_a_drawn_thing_in_a_row_has_its_order(template, rank, side):
    tokens = drawn(template, N="star/NOUN", K=templates.RANKS[rank], D=side)
    assert facts_of(tokens) == (set(), (rank, side), "", False)


@pytest.mark.parametrize("template", templates.CORNERS)
@pytest.mark.parametrize(("vertical", "side"), [*product(("top", "bottom"), ("left", "right"))])
def test_a_drawn_thing_in_a_corner_has_two_cues(template, vertical, side):
    for word in templates.CORNER_WORDS[vertical]:
        tokens = drawn(template, N="star/NOUN", V=word, H=side)
        assert facts_of(tokens) == ({vertical, side}, (0, ""), "", False)


@pytest.mark.parametrize(
    ("template", "size"),
    [
        *[(template, "large") for template in templates.BIGGEST],
        *[(template, "small") for template in templates.SMALLEST],
    ],
)
def test_a_drawn_thing_of_a_size_has_its_cue(template, size):
    assert facts_of(drawn(template, N="star/NOUN")) == ({size}, (0, ""), "", False)


@pytest.mark.parametrize(
    ("template", "relation"),
    [(text, side) for side, found in templates.RELATIONS.items() for text in found],
)
def test_a_drawn_thing_beside_another_has_its_relation(template, relation):
    tokens = drawn(template, N="star/NOUN", L="the small ring/NOUN")
    place = place_of(tokens)
    assert facts_of(tokens) == (set(), (0, ""), relation, True)
    words = [t.text for t in tokens if place.anchor.span[0] <= t.start < place.anchor.span[1]]
    assert (place.anchor.noun, words) == ("ring", ["the", "small", "ring"])


@pytest.mark.parametrize("phrase", ["", "!", "second", "from", "of", "near", "of the", "back to"])
def test_scraps_say_nothing_of_another_thing(phrase):
    place = place_of(tag(phrase))
    assert (place.anchor, place.relation, place.rank) == (None, "", 0)


def test_without_a_head_noun_the_place_is_read_all_the_same():
    assert find_place(tag("left one"), None) == Place(frozenset({"left"}))


@pytest.mark.parametrize(
    ("phrase", "subject"),
    [
        ("the red cup left of the box", "red cup"),
        ("man in a red shirt", "man in red shirt"),
        ("second cow from the right", "cow"),
        ("big dog at the top right", "dog"),
        ("left", "left"),
        ("guy big hat", "guy big hat"),
    ],
)
def test_the_subject_is_the_thing_without_its_place(phrase, subject):
    head = tag(phrase)
    nouns = find_nouns(head, 0)
    assert find_subject(head, nouns[0].span if nouns else None) == subject


def test_the_noun_of_the_thing_stays_where_it_is_a_word_of_place():
    assert find_subject(tag("the red back"), (8, 12)) == "red back"
    assert find_subject(tag("the red back"), (4, 7)) == "red"


def test_the_subject_has_its_hyphened_words_whole_and_no_full_stop():
    words = [("left", "ADJ", 0), ("long", "ADJ", 5), ("-", "PUNCT", 9), ("haired", "ADJ", 10)]
    words += [("man.", "NOUN", 17)]
    tokens = [TaggedToken(text, upos, start, start + len(text)) for text, upos, start in words]
    assert find_subject(tokens, (17, 20)) == "long-haired man"
