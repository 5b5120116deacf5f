"""Phrases about a scene: meanings are proposed by family, and the unambiguous ones kept."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.shapes.semantics import (
    BySize,
    Corner,
    Description,
    Direction,
    Extreme,
    Meaning,
    Place,
    Relation,
    RelationKind,
    SceneFacts,
    Side,
    is_unambiguous,
)
from pipeline.datasets.shapes.vocabulary import CLASSES, SYNONYMS, TaggedWord
from pipeline.datasets.shapes.wording import word_meaning

DIRECTIONS: tuple[Direction, ...] = ("left", "right", "top", "bottom")
RELATION_KINDS: tuple[RelationKind, ...] = (*DIRECTIONS, "near")
CORNERS = tuple(product(DIRECTIONS[2:], DIRECTIONS[:2]))
# family: share in percent, before those that a scene does not allow are drawn again
SHARES = {
    "attribute": 23,
    "position": 20,
    "order": 14,
    "relation": 25,
    "combined": 15,
    "group": 3,
}
UNNAMED_PERCENT = 16  # of all but groups: a synonym or a hypernym takes the noun's place
DISTRACTOR_PERCENT = (
    77  # of the phrases are about an object with others of its class, if there are any
)
TRIES_PER_FAMILY = 24
TRIES_PER_SCENE = 600


@dataclass(frozen=True)
class ScenePhrase:
    """A phrase that is true of its target alone.

    Attributes:
        text: the words, joined by spaces.
        target_boxes: boxes of the targets, xyxy in pixels, float32 (k, 4); k > 1 for `both rings`.
        words_with_upos: the words with UPOS, XPOS and feats.
        family: how the target is distinguished: a key of `SHARES`, or `unnamed`.
        targets: indices of the target objects in the scene.
    """

    text: str
    target_boxes: NDArray[np.float32]
    words_with_upos: tuple[TaggedWord, ...]
    family: str
    targets: tuple[int, ...]


def write_phrases(rng: np.random.Generator, facts: SceneFacts, count: int) -> list[ScenePhrase]:
    """Return up to `count` phrases with different texts; fewer if no more are found."""
    phrases: dict[str, ScenePhrase] = {}
    for attempt in range(TRIES_PER_SCENE):
        if len(phrases) == count:
            break
        if attempt % TRIES_PER_FAMILY == 0:
            family = _choose_family(rng)
        phrase = _try_family(rng, facts, family)
        if phrase is not None and phrase.text not in phrases:
            phrases[phrase.text] = phrase
            family = _choose_family(rng)
    return list(phrases.values())


def _choose_family(rng: np.random.Generator) -> str:
    rest = int(rng.integers(sum(SHARES.values())))
    for family, share in SHARES.items():
        rest -= share
        if rest < 0:
            return family
    raise AssertionError("shares do not sum up")


def _try_family(rng: np.random.Generator, facts: SceneFacts, family: str) -> ScenePhrase | None:
    """Return a phrase of the family about a random target, or None if it is ambiguous."""
    target = _choose_target(rng, facts)
    meaning = _PROPOSERS[family](rng, facts, target)
    unnamed = family != "group" and bool(rng.integers(100) < UNNAMED_PERCENT)
    use_synonym = bool(rng.integers(2)) and CLASSES[facts.classes[target]] in SYNONYMS
    if unnamed and not use_synonym:
        meaning = replace(meaning, target=replace(meaning.target, class_index=None))
    targets = set(facts.matching(meaning.target)) if family == "group" else {target}
    if len(targets) not in ((2, 3) if family == "group" else (1,)):
        return None
    if meaning.target == Description() or not is_unambiguous(facts, meaning, targets):
        return None
    words = tuple(word_meaning(rng, meaning, unnamed, len(targets)))
    text = " ".join(word.text for word in words)
    chosen = tuple(sorted(targets))
    boxes = facts.boxes_xyxy[list(chosen)]
    return ScenePhrase(text, boxes, words, "unnamed" if unnamed else family, chosen)


def _choose_target(rng: np.random.Generator, facts: SceneFacts) -> int:
    """Return an object, most often one that has others of its class beside it."""
    counts = (facts.classes[:, None] == facts.classes).sum(axis=1)  # (n,)
    with_distractor, alone = np.flatnonzero(counts > 1), np.flatnonzero(counts == 1)
    wants_distractor = rng.integers(100) < DISTRACTOR_PERCENT
    pool = (
        with_distractor if len(alone) == 0 or (wants_distractor and len(with_distractor)) else alone
    )
    return int(pool[rng.integers(len(pool))])


def _plainly(facts: SceneFacts, index: int) -> Description:
    return Description(class_index=int(facts.classes[index]))


def _described(
    rng: np.random.Generator, facts: SceneFacts, index: int, percents: tuple[int, int, int]
) -> Description:
    """Return class and some attributes; percents: chance of colour, size and texture."""
    looks = facts.attributes[index]
    is_given = [rng.integers(100) < percent for percent in percents]
    return Description(
        int(facts.classes[index]),
        colour=looks.colour if is_given[0] else None,
        size_name=looks.size_name if is_given[1] and looks.size_name != "medium" else None,
        texture=looks.texture if is_given[2] and looks.texture != "plain" else None,
    )


def _propose_attribute(rng: np.random.Generator, facts: SceneFacts, target: int) -> Meaning:
    return Meaning(_described(rng, facts, target, (70, 40, 40)))


def _propose_position(rng: np.random.Generator, facts: SceneFacts, target: int) -> Meaning:
    return Meaning(_plainly(facts, target), _choose_place(rng))


def _propose_order(rng: np.random.Generator, facts: SceneFacts, target: int) -> Meaning:
    rank = 2 + int(rng.integers(4) == 0)
    place = Extreme(DIRECTIONS[rng.integers(len(DIRECTIONS))], rank)
    return Meaning(_plainly(facts, target), place)


def _propose_relation(rng: np.random.Generator, facts: SceneFacts, target: int) -> Meaning:
    return Meaning(_plainly(facts, target), _choose_relation(rng, facts))


def _propose_combined(rng: np.random.Generator, facts: SceneFacts, target: int) -> Meaning:
    """Return an attribute with a relation, or an attribute with a side."""
    described = _described(rng, facts, target, (60, 35, 30))
    if described == _plainly(facts, target):
        described = replace(described, colour=facts.attributes[target].colour)
    if rng.integers(3) == 0:
        return Meaning(described, Side(DIRECTIONS[rng.integers(len(DIRECTIONS))]))
    return Meaning(described, _choose_relation(rng, facts))


def _propose_group(rng: np.random.Generator, facts: SceneFacts, target: int) -> Meaning:
    return Meaning(_described(rng, facts, target, (40, 20, 20)))


def _choose_place(rng: np.random.Generator) -> Place:
    direction = DIRECTIONS[rng.integers(len(DIRECTIONS))]
    vertical, horizontal = CORNERS[rng.integers(len(CORNERS))]
    places = (Side(direction), Extreme(direction, 1), Corner(vertical, horizontal))
    return (*places, *places, BySize(bool(rng.integers(2))))[rng.integers(7)]


def _choose_relation(rng: np.random.Generator, facts: SceneFacts) -> Relation:
    """Return a relation to some object, described by its class and, at times, its colour."""
    landmark = _described(rng, facts, int(rng.integers(len(facts.classes))), (45, 8, 8))
    kind = RELATION_KINDS[rng.integers(len(RELATION_KINDS))]
    return Relation(kind, landmark)


_PROPOSERS: dict[str, Callable[[np.random.Generator, SceneFacts, int], Meaning]] = {
    "attribute": _propose_attribute,
    "position": _propose_position,
    "order": _propose_order,
    "relation": _propose_relation,
    "combined": _propose_combined,
    "group": _propose_group,
}
