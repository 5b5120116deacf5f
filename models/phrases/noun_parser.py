"""Nouns of phrases: stanza tags the words, and `noun_rules` selects the nouns among them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stanza
from stanza.models.common.doc import Document

from models.phrases.noun_rules import NounMention, find_nouns, speaks_of_several
from models.phrases.tokens import TaggedToken
from models.safe_load import ModelFileError

TAGGER_FILE = "tagger.json"
_LANGUAGE = "en"
_PROCESSORS = ("tokenize", "mwt", "pos")
_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*|['\u2019]s\b|\S")


@dataclass(frozen=True)
class ParsedPhrase:
    """The nouns of a phrase.

    Attributes:
        nouns: the head noun first, then context nouns in order of the phrase; empty without a head.
        is_plural: whether the phrase means several things.
    """

    nouns: tuple[NounMention, ...]
    is_plural: bool


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
        self.pipeline = stanza.Pipeline(
            _LANGUAGE,
            dir=str(folder),
            processors=processors,
            package=None,
            download_method=None,
            device=device,
            verbose=False,
            tokenize_pretokenized=self.cut_at_spaces,
            tokenize_no_ssplit=True,
        )

    def parse(self, phrases: Sequence[str]) -> list[ParsedPhrase]:
        """Return the nouns of each phrase; spans count characters of the phrase as given.

        Scores of tags may differ in the last bit with the phrases of the same batch.
        """
        tagged = self.tag(phrases)
        nouns_of_phrases = [find_nouns(tokens, self.context_nouns) for tokens in tagged]
        return [
            ParsedPhrase(nouns, speaks_of_several(phrase, nouns[0] if nouns else None))
            for phrase, nouns in zip(phrases, nouns_of_phrases, strict=True)
        ]

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
                for word in sentence.words
                for token in _located(word, text)
            ]
            for text, document in zip(texts, documents, strict=True)
        ]

    def _tag_cut(self, texts: list[str]) -> list[list[TaggedToken]]:
        """Tag words that `_WORD` splits."""
        matches = [list(_WORD.finditer(text)) for text in texts]
        words = [[match[0] for match in own] for own in matches]
        sentences = self.pipeline(words).sentences if words else []
        return [
            [
                TaggedToken(match[0], word.upos, match.start(), match.end())
                for match, word in zip(own, sentence.words, strict=True)
            ]
            for own, sentence in zip(matches, sentences, strict=True)
        ]


def _located(word: Any, text: str) -> list[TaggedToken]:
    """Return a stanza word at its characters, or at its token's where it has none of its own."""
    located = word if word.start_char is not None else word.parent
    start, end = located.start_char, located.end_char
    return [
        TaggedToken(word.text if located is not word else text[start:end], word.upos, start, end)
    ]


def _plain(phrase: str) -> str:
    """Return the phrase lower-cased and on one line, each character in its place."""
    lowered = ((letter, letter.lower()) for letter in phrase)
    return "".join(
        " "
        if letter.isspace() or not letter.isprintable()
        else lower
        if len(lower) == 1
        else letter
        for letter, lower in lowered
    )


def _processors(folder: Path, package: str, cut_at_spaces: bool) -> dict[str, str]:
    """Return the package of each stanza processor that the folder's `resources.json` offers."""
    resources = _read_json(folder / "resources.json").get(_LANGUAGE, {})
    chosen = dict(resources.get("default_processors", {}), pos=package)
    names = ("tokenize", "pos") if cut_at_spaces else _PROCESSORS
    for name in names:
        needed = not (name == "mwt" or (name == "tokenize" and cut_at_spaces))
        model = folder / _LANGUAGE / name / f"{chosen.get(name)}.pt"
        if needed and not (chosen.get(name) in resources.get(name, {}) and model.is_file()):
            raise ModelFileError(
                f"{folder}: resources.json and the files beside it offer no `{name}` model "
                f"{chosen.get(name)!r}; copy the stanza folder again, or name its package"
            )
    return {name: chosen[name] for name in names if name in chosen}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: must hold a JSON object")
    return content
