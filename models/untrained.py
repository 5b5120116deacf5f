"""A grounder before its training: pre-trained parts where there are some, random ones elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import BertTokenizerFast

from models.classifier.classifier import Classifier
from models.grounder import Grounder, build_grounder
from models.grounder_spec import GrounderSpec
from models.language_encoder import (
    LanguageEncoder,
    LanguageSizes,
    learn_tokenizer,
    load_language,
    load_tokenizer,
    new_language,
)
from models.layers.backbone import CLASSIFIER, named_network


@dataclass(frozen=True)
class UntrainedLanguage:
    """A text encoder, its tokenizer, and whether it comes from elsewhere."""

    encoder: LanguageEncoder
    tokenizer: BertTokenizerFast
    is_pretrained: bool


def untrained_language(
    folder: Path, sizes: LanguageSizes, phrases: Sequence[str]
) -> UntrainedLanguage:
    """Return a text encoder and its tokenizer.

    Args:
        folder: of a pre-trained BERT; one from scratch is made if there is no such folder.
        sizes: of the one from scratch; its vocabulary is at most as large as they say. Of a
            pre-trained one, the first `sizes.layers` layers are kept.
        phrases: what the tokenizer of the one from scratch is learned from.
    """
    if folder.is_dir():
        encoder = load_language(folder, sizes.layers)
        return UntrainedLanguage(encoder, load_tokenizer(folder), is_pretrained=True)
    tokenizer = learn_tokenizer(phrases, sizes.vocabulary)
    encoder = new_language(replace(sizes, vocabulary=len(tokenizer)))
    return UntrainedLanguage(encoder, tokenizer, is_pretrained=False)


def untrained_grounder(
    settings: Mapping[str, Any],
    vocabulary_sizes: tuple[int, int],
    classifier: Classifier,
    language: LanguageEncoder,
    language_pretrained: bool,
) -> Grounder:
    """Return a grounder whose backbone has the weights of a classifier, if it is that network.

    Args:
        settings: the first part of `GrounderSpec`, by name.
        vocabulary_sizes: of the words to reconstruct and of the detector's labels.
        classifier: says how pixels are normalised.
        language: the text encoder.
        language_pretrained: whether it comes from elsewhere.

    Raises:
        ValueError: the settings do not fit together.
    """
    info, name = classifier.info, settings["backbone"]
    network = classifier.network if name == CLASSIFIER else named_network(name)
    is_same = name == CLASSIFIER or (name, 1.0) == (info.arch, info.width)
    spec = GrounderSpec(
        **settings,
        arch=info.arch,
        width=info.width,
        mean=info.mean,
        std=info.std,
        bgr=info.bgr,
        num_words=vocabulary_sizes[0],
        num_labels=vocabulary_sizes[1],
        backbone_pretrained=is_same,
        language_pretrained=language_pretrained,
    )
    return build_grounder(spec, classifier.network if is_same else network, language)
