"""Taggers of the made phrases: a small one that knows them, and one of stanza's default size."""

from pathlib import Path

from stanza.models.common.doc import Document
from stanza.models.pos.data import Dataset
from stanza.models.pos.trainer import Trainer
from stanza.models.tagger import parse_args
from stanza.resources.common import logging_level_context

from benchmarks.made.phrases import RANKS, distinct_phrases
from models.phrases.train_tagger import PACKAGE, Word, train_tagger

_TAGS = {
    "DET": ("DT", "Definite=Def|PronType=Art"),
    "ADJ": ("JJ", "Degree=Pos"),
    "NOUN": ("NN", "Number=Sing"),
}


def tagged_phrases() -> list[list[Word]]:
    """Return every hundredth of the distinct phrases with all that a tagger is trained on."""
    some = distinct_phrases(RANKS)[::100]
    return [[(word, tag, *_TAGS[tag]) for word, tag in parts] for parts in some]


def write_tagger(folder: Path, steps: int) -> None:
    """Train a small tagger on some of the phrases and write the folder that `NounParser` loads."""
    train_tagger(tagged_phrases(), folder, steps, seed=0)


def write_full_size_tagger(folder: Path) -> None:
    """Write the same folder with a network of stanza's default size and random weights in it.

    It has neither word vectors nor a character language model, as stanza's fast English package.
    """
    write_tagger(folder, steps=1)
    names = ("id", "text", "upos", "xpos", "feats")
    sentences = [
        [dict(zip(names, ((row,), *word), strict=True)) for row, word in enumerate(phrase, start=1)]
        for phrase in tagged_phrases()
    ]
    settings = parse_args(
        ["--lang", "en", "--shorthand", f"en_{PACKAGE}", "--no_pretrain", "--cpu"]
    )
    with logging_level_context("ERROR", verbose=None):
        data = Dataset(Document(sentences), settings, pretrain=None)
        trainer = Trainer(args=settings, vocab=data.vocab, device="cpu")
        trainer.save(str(folder / "en" / "pos" / f"{PACKAGE}.pt"))
