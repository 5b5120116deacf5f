"""How well nouns of phrases mean the labels of a detector.

Shapes: N nouns, L labels of the detector, P phrases.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from transformers import BertTokenizerFast

from models.given_files.safe_load import ModelFileError
from models.grounder.language_encoder import (
    LanguageEncoder,
    embed_texts,
    load_language,
    load_tokenizer,
    read_bert_config,
)
from models.noun_classes.detector_labels import noun_label_similarity
from pipeline.errors import InputError
from pipeline.params.train import LabelParams
from pipeline.samples.sample_facts import Floats

EXACT = LabelParams(similarity="exact", synonym=1.0, cosine_floor=1.0, cosine_weight=0.0)


class LabelSimilarity:
    """How well nouns fit the labels of a detector."""

    def __init__(self, nouns: Sequence[str], similarity: Floats) -> None:
        """Keep the similarity of N different nouns and L labels, in [0, 1], float32 (N, L)."""
        fitting = np.flatnonzero((similarity > 0).any(axis=1))  # (F,) of the N nouns
        self._row_of: dict[str | None, int] = {
            nouns[noun]: row for row, noun in enumerate(fitting.tolist())
        }
        self._rows = np.pad(similarity[fitting], ((0, 1), (0, 1)))  # (F + 1, L + 1)
        self._rows[-1] = 1

    def of(self, heads: Sequence[str | None]) -> Floats:
        """Return how well the head nouns of P phrases fit every label.

        Returns:
            In [0, 1], float32 (P, L + 1): 1 for everything where no label of the detector fits the
            head noun or there is no head noun; the last column, of the whole image, is else 0.
        """
        return self._rows[[self._row_of.get(head, -1) for head in heads]]

    def of_anchors(self, anchors: Sequence[str | None]) -> Floats:
        """Return how well the anchors of P phrases fit every label, float32 (P, L + 1).

        In [0, 1]; 0 for everything where there is no anchor or no label fits it.
        """
        is_known = np.array([anchor in self._row_of for anchor in anchors])
        return self.of(anchors) * is_known[:, None]


def compare_labels(
    nouns: Iterable[str], labels: Sequence[str], params: LabelParams, language: Path | None
) -> LabelSimilarity:
    """Return the similarity of nouns, repeated or not, and labels.

    Args:
        nouns: singular and lower case.
        labels: class names of a detector.
        params: whether names alone are compared, or also their embeddings by a text encoder.
        language: folder of the text encoder.

    Raises:
        InputError: a text encoder is asked for and there is none.
    """
    names = sorted(set(nouns))
    similarity = noun_label_similarity(names, labels, params.synonym)  # (N, L)
    if params.similarity == "text":
        cosines = _cosines(names, [label.lower() for label in labels], language)
        near = np.where(cosines >= params.cosine_floor, params.cosine_weight * cosines, 0)
        similarity = np.maximum(similarity, near.astype(np.float32))
    return LabelSimilarity(names, similarity)


def _cosines(nouns: Sequence[str], labels: Sequence[str], folder: Path | None) -> Floats:
    """Return the cosines of nouns and labels as a text encoder embeds them, float32 (N, L).

    Raises:
        InputError: there is no text encoder.
    """
    if folder is None or not folder.is_dir():
        raise InputError(
            "train.labels.similarity: text: the dataset's weights hold no text encoder; set its "
            "language.path or language.hub, or choose `exact`"
        )
    encoder, tokenizer = _load_encoder(folder)
    first = embed_texts(encoder, tokenizer, nouns)  # (N, C)
    second = embed_texts(encoder, tokenizer, labels)  # (L, C)
    return (first @ second.T).numpy()


@cache
def _load_encoder(folder: Path) -> tuple[LanguageEncoder, BertTokenizerFast]:
    """Return a text encoder and its tokenizer, once for all pictures.

    Raises:
        InputError: the folder does not hold them.
    """
    try:
        encoder = load_language(folder, read_bert_config(folder).num_hidden_layers)
        return encoder.eval(), load_tokenizer(folder)
    except ModelFileError as error:
        raise InputError(str(error)) from error
