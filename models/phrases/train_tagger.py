"""A small stanza part-of-speech tagger, trained by stanza's own trainer on tagged phrases.

No tokenizer is trained: phrases of the drawn data set are words with single spaces between them,
which `NounParser` splits without one (`tokenize: whitespace` in `tagger.json`). The tagger reads
words and characters alone, without pre-trained vectors or language models.
"""

import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from stanza.models.common.doc import Document
from stanza.models.common.utils import set_random_seed
from stanza.models.pos.data import Dataset, ShuffledDataset
from stanza.models.pos.trainer import Trainer
from stanza.models.tagger import parse_args
from stanza.resources.common import logging_level_context

from models.finite import check_loss
from models.given_files.json_files import write_json
from models.given_files.safe_load import check_weights

PACKAGE = "embedded"
Word = tuple[str, str, str, str]

# stanza's default network is an order of magnitude wider; a few hundred words need no more
_SETTINGS = {
    "lang": "en",
    "shorthand": f"en_{PACKAGE}",
    "hidden_dim": 48,
    "char_hidden_dim": 48,
    "char_emb_dim": 24,
    "word_emb_dim": 48,
    "transformed_dim": 32,
    "deep_biaff_hidden_dim": 64,
    "composite_deep_biaff_hidden_dim": 32,
    "tag_emb_dim": 16,
    "num_layers": 1,
    "word_cutoff": 2,
    "batch_size": 32,
    "lr": 0.005,
    "augment_nopunct": 0.0,  # is for sentences, which end with a mark; phrases do not
}


def train_tagger(
    tagged_phrases: Sequence[Sequence[Word]], folder: Path, steps: int, seed: int
) -> None:
    """Train a tagger and write the folder that `NounParser` loads.

    `stanza.Pipeline("en", dir=..., tokenize_pretokenized=True, download_method=None)` loads it,
    too. Training runs on the CPU and seeds the generators of Python, NumPy and PyTorch: equal
    arguments give equal bytes on one machine.

    Args:
        tagged_phrases: per phrase its words: text, universal part of speech, treebank tag, and
            features as CoNLL-U writes them (`Number=Sing`, `_` for none).
        folder: where `resources.json`, `tagger.json` and `en/pos/embedded.pt` are written.
        steps: how many batches to train on.
        seed: of the initial weights, the order of the phrases and dropout.

    Raises:
        ValueError: there is no phrase, or a phrase without words.
        NonFiniteError: a loss or, at the end, a weight is not finite; nothing is written.
    """
    if not tagged_phrases or not all(tagged_phrases):
        raise ValueError("a tagger is trained on one phrase at least, and each must hold words")
    set_random_seed(seed)
    settings = _settings(steps, seed)
    with logging_level_context("ERROR", verbose=None):
        data = Dataset(_document(tagged_phrases), settings, pretrain=None)
        trainer = Trainer(args=settings, vocab=data.vocab, device="cpu")
        batches = ShuffledDataset([data], settings["batch_size"])
        for step, batch in enumerate(islice(_endless(batches), steps)):
            check_loss(trainer.update(batch), step, batches.num_batches())
        check_weights(trainer.model.state_dict(), folder)
        _write_folder(trainer, folder)


def _settings(steps: int, seed: int) -> dict[str, Any]:
    """Return stanza's options of training, with ours in place."""
    ours = {**_SETTINGS, "max_steps": steps, "seed": seed}
    options = [text for name, value in ours.items() for text in (f"--{name}", str(value))]
    return parse_args([*options, "--no_pretrain", "--cpu"])


def _document(tagged_phrases: Sequence[Sequence[Word]]) -> Document:
    """Return the phrases as stanza's document, a sentence each."""
    sentences = [
        [
            {"id": (number,), "text": text, "upos": upos, "xpos": xpos, "feats": feats}
            for number, (text, upos, xpos, feats) in enumerate(phrase, start=1)
        ]
        for phrase in tagged_phrases
    ]
    return Document(sentences)


def _endless(batches: ShuffledDataset) -> Any:
    """Yield batches epoch after epoch, shuffled anew in each."""
    while True:
        yield from batches


def _write_folder(trainer: Trainer, folder: Path) -> None:
    """Write a stanza folder with a tagger and no tokenizer."""
    model = folder / "en" / "pos" / f"{PACKAGE}.pt"
    model.parent.mkdir(parents=True, exist_ok=True)
    saved = io.BytesIO()  # into a file, stanza would go on where its disk is full
    trainer.save(saved)
    saved.seek(0)
    # stanza writes torch's old format, which holds memory addresses; the new one has fixed bytes
    with model.open("wb") as stream:
        torch.save(torch.load(saved, map_location="cpu", weights_only=True), stream)
    defaults = {"tokenize": "whitespace", "pos": PACKAGE}  # the former is no file, only a name
    english = {
        "lang_name": "English",
        "tokenize": {"whitespace": {}},
        "pos": {PACKAGE: {}},
        "default_processors": defaults,
        "default_dependencies": {},
        "packages": {"default": defaults},
    }
    write_json(folder / "resources.json", {"en": english}, indent=2)
    write_json(folder / "tagger.json", {"package": PACKAGE, "tokenize": "whitespace"}, indent=2)
