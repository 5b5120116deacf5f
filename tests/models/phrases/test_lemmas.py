import pytest

from models.phrases.lemmas import lemmatise

SINGULARS = {
    "men": "man", "women": "woman", "firemen": "fireman", "people": "person",
    "children": "child", "grandchildren": "grandchild", "dogs": "dog", "buses": "bus",
    "boxes": "box", "glasses": "glasses", "glass": "glass", "dresses": "dress",
    "benches": "bench", "brushes": "brush", "babies": "baby", "cookies": "cookie",
    "knives": "knife", "gloves": "glove", "houses": "house", "shoes": "shoe", "toes": "toe",
    "tomatoes": "tomato", "canoes": "canoe", "tennis": "tennis", "cactus": "cactus",
    "scissors": "scissors", "jeans": "jeans", "sheep": "sheep", "feet": "foot",
    "abdomen": "abdomen", "bus": "bus",
    "lady's": "lady", "man\u2019s": "man", "dogs'": "dog", "neckties": "necktie",
    "magpies": "magpie", "avalanches": "avalanche", "triceratops": "triceratops",
    "forceps": "forceps", "thermos": "thermos", "dolmen": "dolmen",
    "skis": "ski", "tv": "tv", "": "", "狗": "狗", "vases": "vase", "dishes": "dish",
    "yes": "yes", "princess": "princess", "hibiscus": "hibiscus", "pelvis": "pelvis",
    "overshoes": "overshoe", "backhoes": "backhoe", "echoes": "echo", "floes": "floe",
    "tvs": "tv", "cds": "cd", "sportswomen": "sportswoman", "butterflies": "butterfly",
    "buzzes": "buzz",
}  # fmt: skip


@pytest.mark.parametrize(("word", "singular"), SINGULARS.items())
def test_plurals_become_singular_and_singulars_stay(word, singular):
    assert lemmatise(word) == singular


@pytest.mark.parametrize("singular", sorted(set(SINGULARS.values())))
def test_a_singular_is_its_own_singular(singular):
    assert lemmatise(singular) == singular
