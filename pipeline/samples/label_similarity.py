"""How well nouns of phrases mean the labels of a detector.

Shapes: N nouns, L labels of the detector, P phrases.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from torch import Tensor
from transformers import BertTokenizerFast

from models.given_files.safe_load import ModelFileError
from models.grounder.encoders.language_encoder import (
    LanguageEncoder,
    embed_texts,
    load_language,
    load_tokenizer,
    read_bert_config,
)
from models.noun_classes.detector_labels import noun_label_similarity
from models.noun_classes.wordnet import read_wordnet
from models.noun_classes.wordnet_similarity import LabelSenses
from pipeline.errors import InputError
from pipeline.params.train import LabelParams, TextLabels, WordNetLabels
from pipeline.samples.sample_facts import Floats

EXACT = LabelParams(
    similarity="exact",
    synonym=1.0,
    wordnet=WordNetLabels(senses=1, floor=1.0, weight=0.0),
    text=TextLabels(floor=1.0, weight=0.0),
)


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
    nouns: Iterable[str], labels: Sequence[str], params: LabelParams, weights: Path | None
) -> LabelSimilarity:
    """Return the similarity of nouns, repeated or not, and labels.

    Args:
        nouns: singular and lower case.
        labels: class names of a detector.
        params: whether names alone are compared, or also what WordNet or a text encoder says.
        weights: folder of the dataset's weights, whose part the comparison may need.

    Raises:
        InputError: the part is needed and not there, or cannot be read.
    """
    names = sorted(set(nouns))
    similarity = noun_label_similarity(names, labels, params.synonym)  # (N, L)
    part = find_part(params, weights)
    if part is not None:
        similarity = np.maximum(similarity, _near(names, labels, params, part))
    return LabelSimilarity(names, similarity)


def find_part(params: LabelParams, weights: Path | None) -> Path | None:
    """Return the folder of the part of a dataset's weights that a comparison needs, if it does.

    Args:
        params: of the comparison.
        weights: folder of the dataset's weights; None: there is none.

    Raises:
        InputError: the part is not there.
    """
    name = params.weights_part
    if name is None:
        return None
    if weights is None or not (weights / name).is_dir():
        raise InputError(
            f"train.labels.similarity: {params.similarity}: needs {name}, which is not among the "
            f"dataset's weights; name it in their `{name}` (docs/weights.md), or choose `exact`"
        )
    return weights / name


def _near(nouns: Sequence[str], labels: Sequence[str], params: LabelParams, part: Path) -> Floats:
    """Return what labels count that are near the nouns, in [0, 1], 0 elsewhere, float32 (N, L).

    Raises:
        InputError: the part of the weights cannot be read.
    """
    try:
        if params.similarity == "wordnet":
            alike = _senses_alike(part, nouns, labels, params.wordnet.senses)
            floor, weight = params.wordnet.floor, params.wordnet.weight
        else:
            alike = _cosines(part, nouns, labels)
            floor, weight = params.text.floor, params.text.weight
    except ModelFileError as error:
        raise InputError(str(error)) from error
    return np.where(alike >= floor, weight * alike, 0).astype(np.float32)


def _senses_alike(
    folder: Path, nouns: Sequence[str], labels: Sequence[str], num_senses: int
) -> Floats:
    """Return how like each other WordNet says nouns and labels are, float32 (N, L).

    Raises:
        ModelFileError: the folder does not hold it.
    """
    senses = _look_up(folder, tuple(labels), num_senses)
    rows = [senses.similarity(noun) for noun in nouns]
    return np.array(rows, np.float32).reshape(len(nouns), len(labels))


@cache
def _look_up(folder: Path, labels: tuple[str, ...], num_senses: int) -> LabelSenses:
    """Return labels as WordNet knows them, once for all pictures.

    Raises:
        ModelFileError: the folder does not hold it.
    """
    return LabelSenses(read_wordnet(folder), labels, num_senses)


def _cosines(folder: Path, nouns: Sequence[str], labels: Sequence[str]) -> Floats:
    """Return the cosines of nouns and labels as a text encoder embeds them, float32 (N, L).

    Raises:
        ModelFileError: the folder does not hold one.
    """
    encoder, tokenizer = _load_encoder(folder)
    first = embed_texts(encoder, tokenizer, nouns)  # (N, C)
    second = _embed_labels(folder, tuple(label.lower() for label in labels))  # (L, C)
    return (first @ second.T).numpy()


@cache
def _embed_labels(folder: Path, labels: tuple[str, ...]) -> Tensor:
    """Return the embeddings of labels, float32 (L, C), once for all pictures."""
    return embed_texts(*_load_encoder(folder), labels)


@cache
def _load_encoder(folder: Path) -> tuple[LanguageEncoder, BertTokenizerFast]:
    """Return a text encoder and its tokenizer, once for all pictures.

    Raises:
        ModelFileError: the folder does not hold them.
    """
    encoder = load_language(folder, read_bert_config(folder).num_hidden_layers)
    return encoder.eval(), load_tokenizer(folder)
