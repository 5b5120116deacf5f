"""How well nouns of phrases mean the labels of a detector.

Shapes: N nouns, L labels of the detector, P phrases.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
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
        fits_any: NDArray[np.bool_] = np.any(similarity > 0, axis=1)  # (N,)
        self._row_of: dict[str | None, int] = {
            noun: row for row, noun in enumerate(nouns) if fits_any[row]
        }
        self._rows = np.pad(similarity, ((0, 1), (0, 1)))  # (N + 1, L + 1)
        self._rows[-1] = 1

    def of(self, heads: Sequence[str | None]) -> Floats:
        """Return how well the head nouns of P phrases fit every label.

        Returns:
            In [0, 1], float32 (P, L + 1): 1 for everything where no label of the detector fits the
            head noun or there is no head noun; the last column, of the whole image, is else 0.
        """
        return self._rows[[self._row_of.get(head, -1) for head in heads]]

    def of_others(self, nouns: Sequence[str | None]) -> Floats:
        """Return how well N nouns of other things fit every label, float32 (N, L + 1).

        In [0, 1]; 0 for everything where there is no noun or no label fits it.
        """
        is_known = np.array([self.knows(noun) for noun in nouns], np.bool_)
        return self.of(nouns) * is_known[:, None]

    def knows(self, noun: str | None) -> bool:
        """Return whether a label fits the noun."""
        return noun in self._row_of


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
