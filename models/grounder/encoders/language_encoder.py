"""BERT as language encoder, and its tokenizer.

Shapes: N phrases, T word pieces, C channels of BERT.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, BertTokenizerFast

from models.given_files.impostors import one_line
from models.given_files.safe_load import (
    BROKEN_FOLDER,
    ModelFileError,
    is_position_index,
    load_transformers,
)
from models.given_files.transformers_folder import (
    CONFIG_FILE,
    FolderError,
    check_vocabulary,
    read_json,
    tokenizer_errors,
)

_LEFT_OUT = re.compile(r"(^|\.)(pooler|cls)\.")  # weights that no state needs

_TEXTS_AT_ONCE = 64


class LanguageEncoder(nn.Module):
    """A BERT; its output is the states of the last layer."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    @property
    def channels(self) -> int:
        """Channels C of a state."""
        return int(self.bert.config.hidden_size)

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Return the state of every word piece, float (N, T, C).

        A phrase without a real token gets finite, meaningless states.

        Args:
            token_ids: word pieces, i64 (N, T).
            token_mask: True = real, bool (N, T).
        """
        readable = token_mask | ~token_mask.any(1, keepdim=True)
        return self.bert(token_ids, attention_mask=readable.long()).last_hidden_state


def language_of(config: BertConfig) -> LanguageEncoder:
    """Return a BERT of a stored configuration, with random weights."""
    return LanguageEncoder(BertModel(config, add_pooling_layer=False))


def load_language(folder: Path, layers: int) -> LanguageEncoder:
    """Return the first `layers` layers of a pre-trained BERT, as TransVG uses it.

    Its dropout is that of its own configuration (0.1 in BERT-base).

    Raises:
        ModelFileError: its weights are not those that its configuration names.
        ValueError: the BERT in `folder` has fewer layers.
    """
    config = read_bert_config(folder)
    if layers > config.num_hidden_layers:
        raise ValueError(
            f"{folder}: has {config.num_hidden_layers} layers, {layers} were asked for "
            f"(BERT-base has 12, BERT-large 24)"
        )
    above = {f"layer.{index}." for index in range(layers, config.num_hidden_layers)}
    config.num_hidden_layers = layers
    bert = load_transformers(
        BertModel,
        folder,
        lambda key: (
            is_position_index(key) or _LEFT_OUT.search(key) or any(layer in key for layer in above)
        ),
        config=config,
        add_pooling_layer=False,
    )
    return LanguageEncoder(bert)


def read_bert_config(folder: Path) -> BertConfig:
    """Return the configuration of a pre-trained BERT.

    Raises:
        ModelFileError: config.json is missing, broken, or of another kind of model.
    """
    path = folder / CONFIG_FILE
    try:
        if read_json(path).get("model_type", "bert") != "bert":
            raise ModelFileError(f"{path}: is of another kind of model, not of a BERT")
        return BertConfig.from_pretrained(folder)
    except FolderError as error:
        raise ModelFileError(str(error)) from error
    except ModelFileError:
        raise
    except BROKEN_FOLDER as error:
        raise ModelFileError(f"{path}: describes no BERT: {one_line(error)}") from error


@torch.inference_mode()
def embed_texts(
    encoder: LanguageEncoder, tokenizer: BertTokenizerFast, texts: Sequence[str]
) -> Tensor:
    """Return the mean state of each text's word pieces as a unit vector, float32 (N, C)."""
    embeddings = [torch.zeros(0, encoder.channels)]
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        batch = tokenizer(
            list(texts[start : start + _TEXTS_AT_ONCE]), padding=True, return_tensors="pt"
        )
        mask = batch["attention_mask"].bool()  # (n, T)
        states = encoder(batch["input_ids"], mask).float()  # (n, T, C)
        sums = (states * mask[..., None]).sum(1)
        embeddings.append(F.normalize(sums, dim=-1))
    return torch.cat(embeddings)


def load_tokenizer(folder: Path) -> BertTokenizerFast:
    """Return the tokenizer of a folder that transformers wrote.

    Raises:
        ModelFileError: the vocabulary is missing or broken; transformers itself would return a
            tokenizer that knows special tokens alone.
    """
    try:
        check_vocabulary(folder, "bert", None)
        with tokenizer_errors(folder):
            tokenizer = BertTokenizerFast.from_pretrained(folder)
            tokenizer(["a"])  # a setting of a wrong type comes to light in use
        return tokenizer
    except BROKEN_FOLDER as error:
        raise ModelFileError(f"{folder}: holds no tokenizer of BERT: {one_line(error)}") from error


def check_tokenizer(tokenizer: BertTokenizerFast, encoder: LanguageEncoder, folder: Path) -> None:
    """Refuse a tokenizer that writes other word pieces than its BERT has embeddings of.

    Args:
        tokenizer: of `folder`.
        encoder: the text encoder.
        folder: for messages.

    Raises:
        ModelFileError: their numbers differ.
    """
    embeddings = encoder.bert.config.vocab_size
    try:
        check_vocabulary(folder, "bert", embeddings)
    except FolderError as error:
        raise ModelFileError(str(error)) from error
    if len(tokenizer) != embeddings:
        raise ModelFileError(
            f"{folder}: its vocabulary has {len(tokenizer)} entries, the BERT has vocab_size "
            f"{embeddings}"
        )
