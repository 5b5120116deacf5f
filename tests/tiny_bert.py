"""A BERT of random weights in the folder that transformers writes, with its vocabulary twice."""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from models.grounder.checkpoint import learn_tokenizer

PHRASES = ["red square left of the blue circle", "the small red circle"] * 3
LAYERS = 2


def write_tiny_bert(folder: Path) -> Path:
    """Write model, tokenizer.json and vocab.txt."""
    torch.manual_seed(7)
    tokenizer = learn_tokenizer(PHRASES, 60)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=10,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=14,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ids = tokenizer.get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(ids, key=ids.get)) + "\n")
    return folder
