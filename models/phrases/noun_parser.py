"""Nouns and places of phrases: stanza tags the words; `noun_rules` and `places` read them."""

import pickle
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stanza
from stanza.models.common.doc import Document
from stanza.pipeline.core import PipelineRequirementsException

from models.given_files.described_network import BoundedTensors, check_sizes
from models.given_files.impostors import cause_of
from models.given_files.json_files import read_json_value
from models.given_files.safe_load import BROKEN, ModelFileError, load_weights, plain_reason
from models.given_files.stanza_folder import LANGUAGE, PROCESSORS, check_stanza_folder
from models.given_files.transformers_folder import FolderError
from models.phrases.noun_rules import NounMention, find_nouns, speaks_of_several
from models.phrases.places import Place, find_place, find_subject
from models.phrases.tokens import TaggedToken

TAGGER_FILE = "tagger.json"
_SIZES = ("_dim", "_layers", "_size")  # ends of the names of sizes in the settings of a model
_CONSTANT = "SOS_tensor"  # old models of stanza store it among their weights
_LOAD_ERRORS = (*BROKEN, pickle.UnpicklingError, PipelineRequirementsException)
_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*|['\u2019]s\b|\S")
_ENDING = re.compile(r"(?:n['\u2019]t|['\u2019][^\W\d_]{0,2})\Z")  # "don't", "man's", "dogs'"
_QUASI_APOSTROPHE = re.compile(r"(?<=[^\W_])[`\u00b4\u02bc\u2018\u2032\uff07](?=s\b)")


@dataclass(frozen=True)
class ParsedPhrase:
    """The nouns of a phrase.

    Attributes:
        nouns: the head noun first, then context nouns in order of the phrase; empty without a head.
        is_plural: whether the phrase means several things.
        place: where it says that the thing is.
        subject: its words that describe the thing itself.
    """

    nouns: tuple[NounMention, ...]
    is_plural: bool
    place: Place
    subject: str


class NounParser:
    """Finds the nouns of phrases with the stanza models of one folder.

    The folder is one of `stanza.Pipeline(dir=...)` with a `tagger.json` of two keys: `package`, the
    tagger's name in `resources.json`, and `tokenize`: `stanza`, the folder's tokenizer, or
    `whitespace`, no tokenizer: words are then split at spaces and punctuation, and a possessive
    from its noun.
    """

    def __init__(self, folder: Path, device: str, context_nouns: int) -> None:
        """Load the models.

        Args:
            folder: stanza models and `tagger.json`.
            device: `cpu` or `cuda`.
            context_nouns: how many nouns to keep beside the head noun, at most.

        Raises:
            ModelFileError: a file is missing or malformed.
        """
        settings = _read_json(folder / TAGGER_FILE)
        self.cut_at_spaces = settings.get("tokenize") == "whitespace"
        self.context_nouns = context_nouns
        processors = _processors(folder, str(settings.get("package")), self.cut_at_spaces)
        try:
            _check_sizes(folder, processors, self.cut_at_spaces)
            with BoundedTensors(_num_values(folder)):
                self.pipeline = _load(folder, processors, self.cut_at_spaces, device)
        except ModelFileError:
            raise
        except _LOAD_ERRORS as error:
            raise ModelFileError(
                f"{folder}: stanza cannot load it: {plain_reason(error)}"
            ) from error
        _check_weights(self.pipeline, folder, processors)

    def parse(self, phrases: Sequence[str]) -> list[ParsedPhrase]:
        """Return the nouns of each phrase; spans count characters of the phrase as given.

        Scores of tags may differ in the last bit with the phrases of the same batch.
        """
        tagged = self.tag(phrases)
        return [
            self._parsed(phrase, tokens) for phrase, tokens in zip(phrases, tagged, strict=True)
        ]

    def _parsed(self, phrase: str, tokens: Sequence[TaggedToken]) -> ParsedPhrase:
        nouns = find_nouns(tokens, self.context_nouns)
        head = nouns[0] if nouns else None
        place = find_place(tokens, head.span[0] if head else None)
        subject = find_subject(tokens, head.span if head else None)
        return ParsedPhrase(nouns, speaks_of_several(phrase, head), place, subject)

    def tag(self, phrases: Sequence[str]) -> list[list[TaggedToken]]:
        """Return the tagged words of each phrase, lower case; none for a blank phrase."""
        plain = [_plain(phrase) for phrase in phrases]
        filled = [index for index, text in enumerate(plain) if text.strip()]
        texts = [plain[index] for index in filled]
        tagged = self._tag_cut(texts) if self.cut_at_spaces else self._tag_raw(texts)
        by_index = dict(zip(filled, tagged, strict=True))
        return [by_index.get(index, []) for index in range(len(phrases))]

    def _tag_raw(self, texts: list[str]) -> list[list[TaggedToken]]:
        """Tag with the folder's own tokenizer; a phrase cut in sentences is put together again."""
        documents = self.pipeline.bulk_process([Document([], text=text) for text in texts])
        return [
            [
                token
                for sentence in document.sentences
                for whole in sentence.tokens
                for token in _cut_out(whole, text)
            ]
            for text, document in zip(texts, documents, strict=True)
        ]

    def _tag_cut(self, texts: list[str]) -> list[list[TaggedToken]]:
        """Tag words that `_WORD` splits."""
        matches = [list(_WORD.finditer(_with_marks_as_letters(text))) for text in texts]
        words = [
            [text[slice(*match.span())] for match in own]
            for text, own in zip(texts, matches, strict=True)
        ]
        sentences = self.pipeline(words).sentences if words else []
        return [
            [
                TaggedToken(text[slice(*match.span())], word.upos, *match.span())
                for match, word in zip(own, sentence.words, strict=True)
            ]
            for text, own, sentence in zip(texts, matches, sentences, strict=True)
        ]


def _cut_out(token: Any, text: str) -> list[TaggedToken]:
    """Return the words of a stanza token, each cut out of the phrase.

    Stanza rebuilds the words of some contractions letter by letter, at times wrongly
    ("receptionitt" of "receptionist's"), and gives those no place. Such a token is cut before its
    ending instead, or stays one word without one.
    """
    words = token.words
    places = [(word.start_char, word.end_char) for word in words]
    if any(start is None for start, _ in places):
        start, end = token.start_char, token.end_char
        ending = _ENDING.search(text, start, end)
        cut = ending.start() if ending else end
        places = [(start, cut), (cut, end)] if start < cut < end else [(start, end)]
        words = [words[0], words[-1]][: len(places)]
    return [
        TaggedToken(text[start:end], word.upos, start, end)
        for word, (start, end) in zip(words, places, strict=True)
    ]


def _plain(phrase: str) -> str:
    """Return the phrase lower-cased and on one line, each character in its place.

    Other marks than an apostrophe before a possessive s ("man\u00b4s") become one.
    """
    lowered = ((letter, letter.lower()) for letter in phrase)
    line = "".join(
        " "
        if letter.isspace() or not letter.isprintable()
        else lower
        if len(lower) == 1
        else letter
        for letter, lower in lowered
    )
    return _QUASI_APOSTROPHE.sub("'", line)


def _with_marks_as_letters(text: str) -> str:
    """Return the text with a letter for each accent on one, so that `_WORD` keeps them together."""
    letters: list[str] = []
    for character in text:
        is_mark = unicodedata.category(character).startswith("M")
        on_letter = is_mark and bool(letters) and letters[-1].isalnum()
        letters.append("a" if on_letter else character)
    return "".join(letters)


def _processors(folder: Path, package: str, cut_at_spaces: bool) -> dict[str, str]:
    """Return the package of each stanza processor that the folder's `resources.json` offers."""
    try:
        packages = check_stanza_folder(folder, package, ("pos",) if cut_at_spaces else PROCESSORS)
    except FolderError as error:
        raise ModelFileError(
            f"{error}; copy the stanza folder again, or name its package"
        ) from error
    names = ("tokenize", "pos") if cut_at_spaces else PROCESSORS
    return {name: packages[name] for name in names if name in packages}


def _load(
    folder: Path, processors: Mapping[str, str], cut_at_spaces: bool, device: str
) -> stanza.Pipeline:
    return stanza.Pipeline(
        LANGUAGE,
        dir=str(folder),
        processors=dict(processors),
        package=None,
        download_method=None,
        device=device,
        verbose=False,
        tokenize_pretokenized=cut_at_spaces,
        tokenize_no_ssplit=True,
    )


def _check_sizes(folder: Path, packages: Mapping[str, str], cut_at_spaces: bool) -> None:
    """Refuse models that ask for sizes which none of their weights has.

    Stanza compares them, too, but only once it has built the networks.

    Raises:
        Exception: one of `_LOAD_ERRORS`.
    """
    for name in packages if not cut_at_spaces else ("pos",):
        content = load_weights(_file_of(folder, name, packages))
        weights, settings = content["model"], content["config"]
        if weights is not None:  # a dictionary alone
            check_sizes([value for key, value in settings.items() if key.endswith(_SIZES)], weights)
            layers = [value for key, value in settings.items() if key.endswith("_layers")]
            if any(isinstance(number, int) and number > len(weights) for number in layers):
                raise ValueError("it has fewer weights than layers")


def _num_values(folder: Path) -> int:
    """Return how many values of 4 bytes the models of a folder can hold."""
    return sum(file.stat().st_size for file in (folder / LANGUAGE).glob("*/*.pt")) // 4


def _file_of(folder: Path, processor: str, packages: Mapping[str, str]) -> Path:
    return folder / LANGUAGE / processor / f"{packages[processor]}.pt"


def _check_weights(pipeline: stanza.Pipeline, folder: Path, packages: Mapping[str, str]) -> None:
    """Refuse models of which a weight is missing or left over; stanza loads such tokenizers."""
    for name in set(packages) & {"tokenize", "mwt"}:
        model = getattr(pipeline.processors[name].trainer, "model", None)
        if model is None:
            continue
        path = _file_of(folder, name, packages)
        stored = set(load_weights(path)["model"])
        passed_over = {key for key in stored if key.endswith(_CONSTANT)}
        wrong = {key for key, _ in model.named_parameters()} - stored
        wrong |= stored - passed_over - set(model.state_dict())
        if wrong:
            raise ModelFileError(
                f"{path}: the weights do not fit its settings: {len(wrong)} are missing or left "
                f"over, such as {min(wrong)}"
            )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = read_json_value(path)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: cannot be read as JSON: {cause_of(path, error)}") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: must hold a JSON object")
    return content
