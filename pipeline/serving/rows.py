"""What a model says of a phrase as a line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.serving.found import AnswerName, Candidate, Found
from pipeline.serving.placed_phrases import PlacedPhrase, Span

WHY_CANDIDATES = 10  # proposals that a line lists, the most probable first
BOX_DECIMALS, SCORE_DECIMALS = 2, 6
Row = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """What all lines of a file share.

    Attributes:
        model: its name.
        answer: which of its boxes is written.
        with_why: list the best candidates with what speaks for them.
    """

    model: str
    answer: AnswerName
    with_why: bool


@dataclass(frozen=True)
class Request:
    """A phrase to look for in a picture, named as it was given.

    Attributes:
        image: name of the picture.
        phrase: the text to look for.
        sentence: the sentence that the phrase is from, if any.
        span: first and last-plus-one character of the phrase in `sentence`; None where it is not
            in it.
    """

    image: str
    phrase: str
    sentence: str | None = None
    span: Span | None = None

    @property
    def placed(self) -> PlacedPhrase:
        """The phrase at its place."""
        return PlacedPhrase(self.phrase, self.sentence, self.span)


def answer_row(request: Request, found: Found, kind: Kind) -> Row:
    """Return what is written of an answer: boxes in pixels rounded to 1/100."""
    row = {
        **_head(request, kind),
        "box_xyxy": _rounded(found.box_xyxy, BOX_DECIMALS),
        "score": _rounded_share(found.score),
        "confidence": _rounded_share(found.confidence),
        "nouns": list(found.nouns),
    }
    if kind.with_why:
        row["candidates"] = [_candidate_row(one) for one in found.candidates[:WHY_CANDIDATES]]
    return row


def error_row(request: Request, error: str, kind: Kind) -> Row:
    """Return what is written of a picture or phrase without an answer, the cause in one line."""
    return {**_head(request, kind), "error": " ".join(error.split())}


def _head(request: Request, kind: Kind) -> Row:
    asked: Row = {"image": request.image, "phrase": request.phrase}
    if request.sentence is not None:
        span = None if request.span is None else list(request.span)
        asked |= {"sentence": request.sentence, "span": span}
    return asked | {"model": kind.model, "answer": kind.answer}


def request_of(row: Mapping[str, Any]) -> Request:
    """Return what a row answers.

    Raises:
        KeyError: the row is no answer.
        TypeError: neither, for it is no object or a value of it is of another kind.
    """
    image, phrase = row["image"], row["phrase"]
    sentence, span = row.get("sentence"), row.get("span")
    return Request(image, phrase, sentence, None if span is None else tuple(span))


def to_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as a line of JSON with its end, UTF-8; half characters are escaped."""
    try:
        return f"{json.dumps(row, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(row)}\n".encode()


def _candidate_row(one: Candidate) -> Row:
    numbers = ("detector_score", "prior", "cam", "learned", "logit", "probability")
    return {
        "box_xyxy": _rounded(one.box_xyxy, BOX_DECIMALS),
        "label": one.label,
        "is_merged": one.is_merged,
    } | {name: round(getattr(one, name), SCORE_DECIMALS) for name in numbers}


def _rounded_share(value: float | None) -> float | None:
    return None if value is None else round(value, SCORE_DECIMALS)


def _rounded(values: tuple[float, ...], decimals: int) -> list[float]:
    return [round(value, decimals) for value in values]
