"""Read a phrase about a drawn scene as a person would: from its text, by plain geometry.

Knows nothing of how the phrase was made. An object is a dict: name, colour, texture, size_name,
box (x1, y1, x2, y2).
"""

import re

import numpy as np

SYNONYMS = {
    "mug": "cup",
    "lantern": "lamp",
    "hoop": "ring",
    "notebook": "book",
    "cottage": "house",
    "pine": "tree",
    "crescent": "moon",
    "parasol": "umbrella",
    "blossom": "flower",
    "toadstool": "mushroom",
}
ANYTHING = {"thing", "object", "one", "item"}
COLOURS = {"red", "green", "blue", "yellow", "purple", "orange", "white", "black"}
TEXTURES = {"striped": "striped", "stripes": "striped", "dotted": "dotted", "spotted": "dotted"}
TEXTURES["dots"] = "dotted"
SIZES = {"small": "small", "little": "small", "tiny": "small", "big": "large", "large": "large"}
FILLERS = {"the", "a", "that", "is", "with", "both", "two", "three", "all", "pair", "of"}

LEFT_OF = r"(?:to the left of|on the left of|left of)"
RIGHT_OF = r"(?:to the right of|on the right of|right of)"
RELATIONS = {
    LEFT_OF: "left",
    RIGHT_OF: "right",
    r"(?:above|over)": "top",
    r"(?:below|under|beneath)": "bottom",
    r"(?:next to|beside|near|closest to(?! the bottom)|close to)": "near",
}
RANKED = r"(second|third) (.*?) (?:counting )?from (?:the )?(left|right|top|bottom)$"
CORNER = r"(?:in the |in |at the )?\b(upper|top|lower|bottom) (left|right)(?: corner)?"
EXTREME = (
    r"leftmost|rightmost|topmost|uppermost|highest|lowest|(?:left|right|top|bottom) most"
    r"|(?:on the )?far (?:left|right)|farthest to the (?:left|right)|closest to the bottom"
)
SIDE = (
    r"(?:on|to) (?:the )?(?:left|right)(?: side)?$|at (?:the )?(?:top|bottom)$"
    r"|\b(?:left|right|top|bottom|upper|lower)\b"
)
TOWARDS = {"upper": "top", "high": "top", "low": "bottom"}


def read_phrase(text, objects, image_hw):
    """Return the indices of the objects that a phrase speaks of."""
    text = text.lower()
    for pattern, kind in RELATIONS.items():
        match = re.search(rf"^(.*?) (?:that is )?{pattern} (.*)$", text)
        if match:
            return related(match[1], kind, match[2], objects)
    for reader in (read_ranked, read_corner, read_extreme, read_size, read_side):
        found = reader(text, objects, image_hw)
        if found is not None:
            return found
    return set(described(text, objects))


def related(head, kind, landmark_text, objects):
    """Return what stands in a relation to the only thing that the landmark's words fit."""
    landmarks = described(landmark_text, objects)
    assert len(landmarks) == 1, f"{landmark_text!r} fits {landmarks}"
    landmark = centre(objects[landmarks[0]])
    candidates = [index for index in described(head, objects) if index != landmarks[0]]
    if kind == "near":
        return {min(candidates, key=lambda i: np.hypot(*(centre(objects[i]) - landmark)))}
    return {i for i in candidates if along(centre(objects[i]), kind) < along(landmark, kind)}


def read_ranked(text, objects, image_hw):
    match = re.search(RANKED, text)
    if not match:
        return None
    ranked = sorted_towards(described(match[2], objects), match[3], objects)
    return {ranked[{"second": 1, "third": 2}[match[1]]]}


def read_corner(text, objects, image_hw):
    match = re.search(CORNER, text)
    if not match:
        return None
    vertical = "top" if match[1] in ("upper", "top") else "bottom"
    x, y = (match[2] == "right") * image_hw[1], (vertical == "bottom") * image_hw[0]
    candidates = described(without(text, match), objects)
    return {min(candidates, key=lambda i: np.hypot(*(centre(objects[i]) - (x, y))))}


def read_extreme(text, objects, image_hw):
    return towards(re.search(EXTREME, text), text, objects)


def read_side(text, objects, image_hw):
    return towards(re.search(SIDE, text), text, objects)


def towards(match, text, objects):
    """Return the object farthest towards the side that the matched words name."""
    if not match:
        return None
    words = r"left|right|bottom|top|upper|low|high"
    side = re.findall(words, match[0])[-1] if "upper" not in match[0] else "upper"
    candidates = described(without(text, match), objects)
    return {sorted_towards(candidates, TOWARDS.get(side, side), objects)[0]}


def read_size(text, objects, image_hw):
    match = re.search(r"biggest|largest|smallest|tiniest", text)
    if not match:
        return None
    candidates = described(without(text, match), objects)
    areas = [np.prod(np.subtract(objects[i]["box"][2:], objects[i]["box"][:2])) for i in candidates]
    pick = np.argmax if match[0] in ("biggest", "largest") else np.argmin
    return {candidates[pick(areas)]}


def without(text, match):
    return f"{text[: match.start()]} {text[match.end() :]}"


def described(text, objects):
    """Return the objects that nouns and adjectives fit; an unknown word is an error."""
    wanted = {}
    for word in text.split():
        if word in COLOURS:
            wanted["colour"] = word
        elif word in TEXTURES:
            wanted["texture"] = TEXTURES[word]
        elif word in SIZES:
            wanted["size_name"] = SIZES[word]
        elif word not in FILLERS | ANYTHING:
            wanted["name"] = noun_of(word, objects)
    return [i for i, thing in enumerate(objects) if all(thing[k] == v for k, v in wanted.items())]


def noun_of(word, objects):
    names = {thing["name"] for thing in objects}
    for singular in (word, word.removesuffix("s")):
        if SYNONYMS.get(singular, singular) in names:
            return SYNONYMS.get(singular, singular)
    raise AssertionError(f"{word!r} names nothing in the scene")


def sorted_towards(candidates, side, objects):
    return sorted(candidates, key=lambda i: along(centre(objects[i]), side))


def along(point, side):
    """Return a coordinate that falls towards a side."""
    return {"left": point[0], "right": -point[0], "top": point[1], "bottom": -point[1]}[side]


def centre(thing):
    x1, y1, x2, y2 = thing["box"]
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2])
