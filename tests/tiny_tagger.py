"""A few tagged phrases, and a stanza tagger that has learned them by heart in two seconds."""

from itertools import product

from models.phrases.train_tagger import train_tagger

TAGS = {
    "DET": ("DT", "Definite=Def|PronType=Art"),
    "ADJ": ("JJ", "Degree=Pos"),
    "NOUN": ("NN", "Number=Sing"),
    "ADP": ("IN", "_"),
    "PUNCT": (".", "_"),
}
NOUNS = ("dog", "cup", "tree", "star")
COLOURS = ("red", "green", "blue")


def tagged(*words: str) -> list[tuple[str, str, str, str]]:
    """Return words given as "dog/NOUN" the way a tagger is trained on them."""
    pairs = [word.split("/") for word in words]
    return [(text, upos, *TAGS[upos]) for text, upos in pairs]


PHRASES = [
    tagged("the/DET", f"{colour}/ADJ", f"{noun}/NOUN", "on/ADP", "the/DET", f"{other}/NOUN")
    for colour, noun, other in product(COLOURS, NOUNS, NOUNS)
    if noun != other
] + [tagged("left/ADJ", "one/NOUN", "!/PUNCT")] * 8


def write_tiny_tagger(folder, steps=50, seed=3):
    """Train on PHRASES and write the folder of a tagger."""
    train_tagger(PHRASES, folder, steps, seed)
    return folder
