"""A few tagged phrases, and a stanza tagger that has learned them by heart in two seconds."""

import json
from itertools import product

import torch
from stanza.models.tokenization.trainer import Trainer
from stanza.models.tokenization.vocab import Vocab

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


TOKENIZER = {
    "lang": "en", "shorthand": "en_tiny", "batch_size": 32, "max_seqlen": 100,
    "skip_newline": False,
    "emb_dim": 3, "hidden_dim": 2, "rnn_layers": 1, "conv_res": None, "hierarchical": False,
    "feat_dim": 2, "feat_funcs": ["space_before", "end_of_para"],
    "dropout": 0.0, "feat_dropout": 0.0, "unit_dropout": 0.0, "tok_noise": 0.0,
    "use_mwt": False, "use_dictionary": False, "lr0": 0.1, "weight_decay": 0.0,
}  # fmt: skip


def add_tiny_tokenizer(folder):
    """Give the folder of a tagger a tokenizer that cuts nowhere; return its file."""
    vocab = Vocab(["the dog"], "en")
    trainer = Trainer({**TOKENIZER, "vocab_size": len(vocab)}, vocab=vocab)
    for name, weight in trainer.model.named_parameters():
        torch.nn.init.constant_(weight, -5.0 if name.endswith("_clf.bias") else 0.0)
    file = folder / "en" / "tokenize" / "embedded.pt"
    file.parent.mkdir()
    trainer.save(file)
    resources = json.loads((folder / "resources.json").read_text())
    resources["en"]["tokenize"] = {"embedded": {}}
    resources["en"]["default_processors"]["tokenize"] = "embedded"
    (folder / "resources.json").write_text(json.dumps(resources))
    (folder / "tagger.json").write_text('{"package": "embedded", "tokenize": "stanza"}')
    return file
