"""The words of a meaning: a random template with noun, landmark and attributes filled in."""

import numpy as np

from pipeline.datasets.shapes import templates as templates
from pipeline.datasets.shapes.semantics import (
    BySize,
    Corner,
    Description,
    Extreme,
    Meaning,
    Place,
    Relation,
    Side,
)
from pipeline.datasets.shapes.templates import tagged, tagged_noun
from pipeline.datasets.shapes.vocabulary import CLASSES, HYPERNYMS, SYNONYMS, TaggedWord, plural

Words = list[TaggedWord]


def word_meaning(
    rng: np.random.Generator, meaning: Meaning, use_synonym: bool, num_targets: int
) -> Words:
    """Return the words of a phrase.

    Args:
        rng: source of every choice.
        meaning: to express; a description without a class is named by a hypernym.
        use_synonym: name the target by a synonym of its class.
        num_targets: more than one gives the plural.
    """
    noun = _noun(rng, meaning.target, use_synonym, num_targets > 1)
    core = _core(rng, meaning.target, noun, may_trail=meaning.place is None and num_targets == 1)
    template = _template(rng, meaning.place, num_targets)
    if template.startswith("the ") and rng.integers(100) < 35:
        template = template.removeprefix("the ")
    words: Words = []
    for piece in template.split():
        words += _fill(rng, piece, core, meaning.place)
    if rng.integers(100) < 3:
        words[0] = words[0]._replace(text=words[0].text.capitalize())
    return words


def _fill(rng: np.random.Generator, piece: str, core: Words, place: Place | None) -> Words:
    """Return the words that replace one word of a template."""
    if piece == "{N}":
        return core
    if piece == "{L}" and isinstance(place, Relation):
        article = ("the", "the", "the", "the", "the", "a", "")[rng.integers(7)]
        noun = _noun(rng, place.landmark, bool(rng.integers(100) < 8), False)
        return tagged(article) + _core(rng, place.landmark, noun, may_trail=False)
    if piece == "{K}" and isinstance(place, Extreme):
        return tagged(templates.RANKS[place.rank])
    return tagged(piece)


def _noun(
    rng: np.random.Generator, description: Description, use_synonym: bool, is_plural: bool
) -> TaggedWord:
    if description.class_index is None:
        noun = HYPERNYMS[rng.integers(len(HYPERNYMS))]
    else:
        name = CLASSES[description.class_index]
        noun = SYNONYMS.get(name, name) if use_synonym else name
    return tagged_noun(plural(noun) if is_plural else noun, is_plural)


def _core(
    rng: np.random.Generator, description: Description, noun: TaggedWord, may_trail: bool
) -> Words:
    """Return adjectives and noun, at times with an attribute behind: `cup with red stripes`."""
    size_words = templates.SIZE_WORDS.get(description.size_name or "", ("",))
    texture_words = templates.TEXTURE_WORDS.get(description.texture or "", ("",))
    size, texture = _pick(rng, size_words), _pick(rng, texture_words)
    colour, tail = description.colour or "", ""
    if description.texture in templates.TEXTURE_TAILS and rng.integers(100) < 35:
        texture, tail = "", templates.TEXTURE_TAILS[description.texture]
    elif may_trail and colour and rng.integers(100) < 10:
        colour, tail = "", f"that is {colour}"
    return [*tagged(f"{size} {texture} {colour}"), noun, *tagged(tail)]


def _template(rng: np.random.Generator, place: Place | None, num_targets: int) -> str:
    """Return one of the templates that say this."""
    match place:
        case Side(direction):
            template = _pick(rng, templates.SIDES[direction])
        case Extreme(direction, rank):
            ways = templates.EXTREMES[direction] if rank == 1 else templates.RANKED
            template = _pick(rng, ways).replace("{D}", direction)
        case Corner(vertical, horizontal):
            template = _pick(rng, templates.CORNERS).replace("{H}", horizontal)
            template = template.replace("{V}", _pick(rng, templates.CORNER_WORDS[vertical]))
        case BySize(biggest):
            template = _pick(rng, templates.BIGGEST if biggest else templates.SMALLEST)
        case Relation(kind):
            template = _pick(rng, templates.RELATIONS[kind])
        case None:
            template = _pick(rng, templates.GROUPS[num_targets])
    return template


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[rng.integers(len(choices))]
